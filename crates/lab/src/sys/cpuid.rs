//! The hypervisor's own name, which it puts into a processor leaf that real processors do not have.
#![allow(unsafe_code)]

use std::arch::x86_64::CpuidResult;

/// The twelve letters by which a hypervisor signs itself, such as `KVMKVMKVM`; `None` when no hypervisor is
/// announced or it does not sign. Anything may stand there: show it, do not trust it.
pub fn hypervisor_signature() -> Option<String> {
    const HYPERVISOR_BIT: u32 = 1 << 31;
    if cpuid(1).ecx & HYPERVISOR_BIT == 0 {
        return None;
    }
    let leaf = cpuid(0x4000_0000);
    signature([leaf.ebx, leaf.ecx, leaf.edx])
}

#[allow(unused_unsafe, reason = "Rust before 1.93 calls the instruction unsafe")]
fn cpuid(leaf: u32) -> CpuidResult {
    // SAFETY: every processor of this architecture has the instruction; it reads no memory.
    unsafe { std::arch::x86_64::__cpuid_count(leaf, 0) }
}

fn signature(words: [u32; 3]) -> Option<String> {
    let letters: String = words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .map(char::from)
        .filter(|letter| letter.is_ascii_graphic() || *letter == ' ')
        .collect();
    let letters = letters.trim();
    (!letters.is_empty()).then(|| letters.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read_in_the_order_of_the_registers() {
        let words = |text: &[u8; 12]| {
            [0, 4, 8].map(|at| u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]))
        };
        assert_eq!(signature(words(b"KVMKVMKVM\0\0\0")).as_deref(), Some("KVMKVMKVM"));
        assert_eq!(signature(words(b" lrpepyh  vr")).as_deref(), Some("lrpepyh  vr"));
        assert_eq!(signature([0; 3]), None);
        assert_eq!(signature([7, u32::MAX, 0x1b]), None, "no control characters");
    }
}
