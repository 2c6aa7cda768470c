//! iceoryx2: its publish-subscribe service, one each way. A message is loaned and made in shared memory, and copied
//! out of it before it is looked at. Receiving is polling; the library's way of sleeping is an event service beside it.

use guest::{About, Job, Link, News, Result, Rival, Side, Waiting, spin};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;

const ABOUT: About = About {
    name: "iceoryx2",
    version: "iceoryx2 0.10.0, guest 1",
    kinds: &["shm"],
    workloads: About::WORKLOADS,
    waits: &["spin"],
    threads: false,
    note: Some("loan and fill, receive and copy"),
};

/// Messages that a subscriber's queue holds; a publisher that finds it full tries again.
const QUEUE: usize = 1024;
/// What all messages of a queue may take together.
const QUEUE_BYTES: usize = 16 << 20;

struct Ports {
    out: Publisher<ipc::Service, [u8], ()>,
    inward: Subscriber<ipc::Service, [u8], ()>,
    message: Box<[u8]>,
    waiting: Waiting,
    _node: Node<ipc::Service>,
}

impl Rival for Ports {
    /// The name of both services begins so.
    type Half = String;
    type Link = Ports;

    fn halves(_: &Job) -> Result<[Self::Half; 2]> {
        let name = format!("ipcscope-rival-{}", std::process::id());
        Ok([name.clone(), name])
    }

    fn open(name: Self::Half, job: &Job, side: Side, news: &mut News) -> Result<Self::Link> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let queue = (QUEUE_BYTES / job.size_bytes).clamp(4, QUEUE);
        let service = |way: &str| -> Result<_> {
            let name = ServiceName::new(&format!("{name}-{way}"))?;
            let service = node.service_builder(&name).publish_subscribe::<[u8]>().enable_safe_overflow(false);
            let service = service.subscriber_max_buffer_size(queue).history_size(0);
            Ok(service.max_publishers(1).max_subscribers(1).max_nodes(2).open_or_create()?)
        };
        let (out, inward) = match side {
            Side::First => ("there", "back"),
            Side::Second => ("back", "there"),
        };
        let (out, inward) = (service(out)?, service(inward)?);
        let inward = inward.subscriber_builder().buffer_size(queue).create()?;
        let out = out
            .publisher_builder()
            .initial_max_slice_len(job.size_bytes)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        news.meet()?; // all four ports are there
        out.update_connections()?;
        Ok(Ports {
            out,
            inward,
            message: vec![0; job.size_bytes].into(),
            waiting: job.waiting(),
            _node: node,
        })
    }
}

impl Link for Ports {
    #[inline]
    fn send(&mut self, make: impl FnOnce(&mut [u8])) -> Result<()> {
        let mut sample = self.out.loan_slice_uninit(self.message.len())?;
        let room = sample.payload_mut();
        // SAFETY: any byte is a byte; `make` writes all of them before any is read.
        make(unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast(), room.len()) });
        // SAFETY: `make` has written all of it.
        unsafe { sample.assume_init() }.send()?;
        Ok(())
    }

    #[inline]
    fn receive(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let sample = spin(self.waiting, || Ok(self.inward.receive()?))?;
        if sample.payload().len() != self.message.len() {
            return take(sample.payload()); // which says what is wrong
        }
        self.message.copy_from_slice(sample.payload());
        drop(sample);
        take(&self.message)
    }
}

fn main() -> std::process::ExitCode {
    guest::main(&ABOUT, guest::processes::<Ports>)
}
