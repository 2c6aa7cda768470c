//! What cannot be done is refused before anything is started: exit code 2, one line on stderr, nothing on stdout.

use std::fs;
use std::net::TcpListener;

use crossing::Kind;

use crate::harness::Desk;

#[test]
fn values_out_of_range() {
    let desk = Desk::new();
    let kinds = &*Kind::ALL.map(Kind::name).join(", ");
    for (line, words) in [
        ("race smoke-signals", kinds),
        ("race pipe,,shm", "MECHANISM"),
        ("race --size 0", "1 to 16777216 bytes"),
        ("race --size 17M", "1 to 16777216 bytes"),
        ("race --size 64,0", "1 to 16777216 bytes"),
        ("race --size 99999999999999999999", "too large"),
        ("race --size 1.5k", "whole number"),
        ("race --size -1", "-1"),
        ("race --count 0", "count 0 is out of range"),
        ("race --count 2000M", "count 2000000000 is out of range"),
        ("race --count many", "whole number"),
        ("race --wait spin,block,hybrid,hybrid:1us --size MANY", "rows are too many for one race"),
        ("race --launches 0", "launches 0 is out of range"),
        ("race --launches 1001", "launches 1001 is out of range"),
        ("race --launches 7 --count 3", "fewer launches"),
        ("race --rate 0", "rate 0 is out of range"),
        ("race --rate 5000M", "at most"),
        ("race --capacity 4095", "4096 to 1073741824 bytes"),
        ("race --capacity 1025M", "4096 to 1073741824 bytes"),
        ("race --capacity much", "whole number"),
        ("race --seed minus", "--seed"),
        ("race --workload fast", "ping-pong, stream, corked, paced"),
        ("race --wait sometimes", "spin, hybrid"),
        ("race --wait hybrid:5s", "hybrid:<N>us"),
        ("race --placement somewhere", "same-core, cross-core, unpinned"),
        ("race --placement 0", "two cores such as 0,1"),
        ("race --placement 0,", "two cores such as 0,1"),
        ("race --placement 0,99999", "99999"),
        ("race --color sometimes", "auto, always, never"),
        ("race --rival ./nowhere", "./nowhere"),
        ("show", "MECHANISM"),
        ("show smoke-signals", kinds),
        ("show pipe --messages 0", "1..=1000"),
        ("show pipe --messages 1001", "1..=1000"),
        ("show pipe --size 0", "1 to 16777216 bytes"),
        ("show pipe --placement 0,99999", "99999"),
        ("serve --listen nowhere", "127.0.0.1:7878"),
        ("serve --listen 127.0.0.1:65536", "127.0.0.1:7878"),
        ("serve --listen 0.0.0.0:0", "this machine only"),
        ("serve --listen [::]:0", "this machine only"),
        ("doctor now", "now"),
    ] {
        let many = || (1..=1_000).map(|size| size.to_string()).collect::<Vec<_>>().join(",");
        desk.run(&line.replace("MANY", &many())).refused(words);
    }
    assert!(desk.names().is_empty(), "nothing was left behind: {:?}", desk.names());
}

#[test]
fn a_rival_that_is_no_program() {
    let desk = Desk::new();
    fs::write(desk.path("notes.txt"), "hello").expect("a file");
    desk.run("race --rival notes.txt").refused("not an executable program");
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address");
    Desk::new().run(&format!("serve --listen {address}")).refused("the port is taken");
}

#[test]
fn exports_that_could_not_be_written() {
    let desk = Desk::new();
    fs::create_dir(desk.path("folder")).expect("a folder");
    for (line, words) in [
        ("race --export-json folder", "cannot write folder"),
        ("race --export-csv missing/a.csv", "cannot write missing/a.csv"),
        ("race --export-markdown folder/", "cannot write folder/"),
        ("race --json --export-csv -", "two results"),
        ("race --export-json a --export-csv a", "two results"),
    ] {
        desk.run(line).refused(words);
    }
    assert_eq!(desk.names(), ["folder"]);
}
