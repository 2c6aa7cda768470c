//! The safety rules on the path of every message, by name.
//!
//! All of them hold. What one of them costs is measured with a copy of this crate in which it says `false`
//! (`rivals/scoreboard/README.md`, Safety): nothing in a build can turn it off.

/// What the peer says of its indices and lengths is checked before it is believed.
pub(super) const CLAIMS: bool = true;

/// Each process alone can write its region: the other maps it for reading, and the seal keeps it so.
pub(super) const SEAL: bool = true;

/// Shared memory is touched by instructions of which the compiler knows nothing, not by Rust's own copies.
pub(super) const OPAQUE: bool = true;

/// Whether the peer lives, and still sends or receives, is looked at with every message, and with every blob. A copy
/// without it is for two ends that both stay: a wait at the ring does not end with the peer, and one at the lane for blobs
/// ends only when the lane's own socket does.
pub(super) const DEATH: bool = true;

/// Whether the peer sleeps is looked at with every publication.
pub(super) const SLEEPERS: bool = true;

/// The next two are no rules of safety, and are measured alike: long messages are published in parts, …
pub(super) const PARTS: bool = true;

/// … and the barrier between a publication and that look is asymmetric: where it cannot be, each publication has a full fence.
pub(super) const ASYMMETRIC: bool = true;
