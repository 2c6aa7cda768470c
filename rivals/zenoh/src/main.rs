//! zenoh: a session in each process, connected to each other over a Unix socket or TCP; a publisher and a subscriber
//! each way.
//!
//! A session has threads of its own. They sit on the core of their process, because it is there that the job places it;
//! a side that spins gives them the core between polls.

use std::net::TcpListener;

use guest::{About, Failure, Job, Link, News, Result, Rival, Side, Waiting, spin};
use zenoh::handlers::{FifoChannel, FifoChannelHandler};
use zenoh::pubsub::{Publisher, Subscriber};
use zenoh::qos::CongestionControl;
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

const ABOUT: About = About {
    name: "zenoh",
    version: "zenoh 1.10.2, guest 1",
    kinds: &["unix", "tcp"],
    workloads: About::WORKLOADS,
    waits: &["block", "spin"],
    threads: false,
    note: Some("threads of the library's own on each side's core; it batches by itself in a stream"),
};

/// Messages that may wait at a subscriber.
const QUEUE: usize = 1024;

struct Topics {
    out: Publisher<'static>,
    inward: Subscriber<FifoChannelHandler<Sample>>,
    message: Box<[u8]>,
    spins: Option<Waiting>,
    _session: Session,
}

impl Rival for Topics {
    /// Where the first side listens.
    type Half = String;
    type Link = Topics;

    fn halves(job: &Job) -> Result<[Self::Half; 2]> {
        let address = if job.kind == "tcp" {
            // A port that was free a moment ago. If another program takes it, the run fails.
            format!("tcp/127.0.0.1:{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
        } else {
            let path = std::env::temp_dir().join(format!("ipcscope-rival-{}.sock", std::process::id()));
            format!("unixsock-stream/{}", path.display())
        };
        Ok([address.clone(), address])
    }

    fn open(address: Self::Half, job: &Job, side: Side, news: &mut News) -> Result<Self::Link> {
        let (out, inward) = match side {
            Side::First => ("ipcscope/there", "ipcscope/back"),
            Side::Second => ("ipcscope/back", "ipcscope/there"),
        };
        if side == Side::Second {
            news.hear()?; // the first one listens
        }
        let session = zenoh::open(config(&address, side)?).wait().map_err(Failure::new)?;
        if side == Side::First {
            news.say()?;
        }
        let inward = session.declare_subscriber(inward).with(FifoChannel::new(QUEUE)).wait();
        let out = session
            .declare_publisher(out)
            .congestion_control(CongestionControl::Block)
            .express(!job.streams())
            .wait();
        let (inward, out) = (inward.map_err(Failure::new)?, out.map_err(Failure::new)?);
        while !out.matching_status().wait().map_err(Failure::new)?.matching() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let spins = job.spins().then_some(Waiting::Yield);
        Ok(Topics { out, inward, message: vec![0; job.size_bytes].into(), spins, _session: session })
    }
}

/// A peer that finds the other one by its address alone.
fn config(address: &str, side: Side) -> Result<zenoh::Config> {
    let mut config = zenoh::Config::default();
    let endpoints = if side == Side::First { "listen/endpoints" } else { "connect/endpoints" };
    let settings = [
        ("mode", "\"peer\"".to_owned()),
        ("listen/endpoints", "[]".to_owned()),
        ("connect/endpoints", "[]".to_owned()),
        (endpoints, format!("[{address:?}]")),
        ("scouting/multicast/enabled", "false".to_owned()),
        ("scouting/gossip/enabled", "false".to_owned()),
        ("timestamping/enabled", "false".to_owned()),
    ];
    for (key, value) in settings {
        config.insert_json5(key, &value).map_err(Failure::new)?;
    }
    Ok(config)
}

impl Link for Topics {
    fn send(&mut self, make: impl FnOnce(&mut [u8])) -> Result<()> {
        make(&mut self.message);
        self.out.put(&self.message[..]).wait().map_err(Failure::new)
    }

    fn receive(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let sample = match self.spins {
            None => self.inward.recv().map_err(Failure::new)?,
            Some(waiting) => spin(waiting, || self.inward.try_recv().map_err(Failure::new))?,
        };
        take(&sample.payload().to_bytes())
    }
}

fn main() -> std::process::ExitCode {
    guest::main(&ABOUT, guest::processes::<Topics>)
}
