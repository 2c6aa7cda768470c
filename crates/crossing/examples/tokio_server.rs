//! A thousand clients on one thread: `cargo run -p crossing --features tokio --example tokio_server`
//!
//! The server's runtime has one thread, and so has that of the clients, which live in a second process.
//! Each connection is a task of its own. No connection has a thread, and one that waits costs no time.

use std::env;
use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossing::tokio::{AsyncListener, connect, dial};
use crossing::{Address, Config, Endpoint, Kind, Listener, RecvError, Spawn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// How many clients there are at once, if this user may open that many descriptors.
const CLIENTS: u64 = 1000;
/// How many questions each of them asks.
const QUESTIONS: u64 = 10;
/// A hang becomes an error.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Handshakes run on the pool for blocking calls. Eight at a time are enough.
    let runtime = runtime.enable_all().max_blocking_threads(8).build()?;
    runtime.block_on(async {
        match &words[..] {
            [address, clients] => {
                tokio::time::timeout(LIMIT, ask(address.parse()?, clients.parse()?)).await?
            }
            _ => tokio::time::timeout(LIMIT, serve()).await?,
        }
    })
}

/// How many clients there may be. A connection over shared memory takes three descriptors.
fn raise_limit() -> Result<u64, Box<dyn Error>> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(CLIENTS.min(maximum.map_or(CLIENTS, |most| most.saturating_sub(50) / 3)))
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let clients = raise_limit()?;
    let path = env::temp_dir().join(format!("crossing-tokio-{}.sock", std::process::id()));
    let address = Address::at_path(Kind::Shm, path)?;
    let mut listener = AsyncListener::new(Listener::bind(&address)?)?;
    let mut command = Command::new(env::current_exe()?);
    command.args([address.to_string(), clients.to_string()]);
    let mut second = Spawn::new(command).kill_on_drop(true).spawn()?;

    let present = Arc::new(Present::default());
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let endpoint = listener.accept().await?;
        tasks.spawn(answer(endpoint, present.clone()));
    }
    let mut answers = 0;
    while let Some(task) = tasks.join_next().await {
        answers += task??;
    }
    assert!(second.wait()?.success(), "the clients got what they asked for");

    let most = present.most.load(Ordering::Relaxed);
    println!("{most} clients at once, {answers} answers, one thread");
    assert_eq!((most, answers), (clients, clients * QUESTIONS));
    Ok(())
}

/// How many clients are connected, and how many were at most.
#[derive(Default)]
struct Present {
    now: AtomicU64,
    most: AtomicU64,
}

/// Serves one client until it leaves. How many answers it got.
async fn answer(endpoint: Endpoint, present: Arc<Present>) -> Result<u64, crossing::Error> {
    let mut client = connect(endpoint, &Config::small()).await?;
    present.most.fetch_max(present.now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    let mut number = [0; 8];
    let mut answers = 0;
    loop {
        match client.recv(&mut number).await {
            Ok(_) => client.send(&(u64::from_le_bytes(number) + 1).to_le_bytes()).await?,
            Err(RecvError::Disconnected) => break,
            Err(error) => return Err(error.into()),
        }
        answers += 1;
    }
    present.now.fetch_sub(1, Ordering::Relaxed);
    Ok(answers)
}

async fn ask(address: Address, clients: u64) -> Result<(), Box<dyn Error>> {
    raise_limit()?;
    let all_are_there = Arc::new(Barrier::new(clients as usize));
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        tasks.spawn(be_client(address.clone(), client, all_are_there.clone()));
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

async fn be_client(
    address: Address,
    client: u64,
    all_are_there: Arc<Barrier>,
) -> Result<(), crossing::Error> {
    let mut server = dial(&address, &Config::small()).await?;
    let mut answer = [0; 8];
    for number in client..client + QUESTIONS {
        server.send(&number.to_le_bytes()).await?;
        server.recv(&mut answer).await?;
        assert_eq!(u64::from_le_bytes(answer), number + 1);
        if number == client {
            all_are_there.wait().await;
        }
    }
    Ok(())
}
