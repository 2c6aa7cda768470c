//! The safety rules on the path of every message.
//!
//! All of them hold in every build. A bench build leaves one out to measure its cost
//! (results/2026-11-25-kvm-epyc-2-cores/README.md, "What safety costs"). Only `RUSTFLAGS='--cfg
//! crossing_off="claims"'` makes such a build: a cargo feature could be turned on by any crate of a
//! build for all the others.

/// What the peer says of its indices and lengths is checked before it is believed.
pub(super) const CLAIMS: bool = !cfg!(any(crossing_off = "claims", crossing_off = "all"));

/// Each process alone can write its region: the other maps it for reading, and the seal keeps it so.
pub(super) const SEAL: bool = !cfg!(any(crossing_off = "seal", crossing_off = "all"));

/// Shared memory is touched by instructions of which the compiler knows nothing, not by Rust's own copies.
pub(super) const OPAQUE: bool = !cfg!(crossing_off = "opaque");

/// Whether the peer lives, and still sends or receives, is looked at with every message, and with every blob. A build
/// without it is for two ends that both stay: a wait at the ring does not end with the peer, and one at the lane for blobs
/// ends only when the lane's own socket does.
pub(super) const DEATH: bool = !cfg!(any(crossing_off = "death", crossing_off = "all"));

/// Whether the peer sleeps is looked at with every publication.
pub(super) const SLEEPERS: bool = !cfg!(any(crossing_off = "sleepers", crossing_off = "all"));

/// The next two are no rules of safety, and are measured alike: long messages are published in parts, …
pub(super) const PARTS: bool = !cfg!(crossing_off = "parts");

/// … and the barrier between a publication and that look is asymmetric: where it cannot be, each publication has a full fence.
pub(super) const ASYMMETRIC: bool = !cfg!(crossing_off = "asymmetric");
