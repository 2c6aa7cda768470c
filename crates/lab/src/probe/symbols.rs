//! The names of the kernel's functions: /proc/kallsyms.
//!
//! Every user can read the names, but the addresses only with the kernel's permission
//! (`kptr_restrict`, and CAP_SYSLOG); without it they are all zero.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Every function of the kernel, by address.
#[derive(Debug)]
pub struct Symbols {
    /// Ascending; the name stands in `names` from the first index on to the second.
    functions: Vec<(u64, u32, u32)>,
    names: String,
}

impl Symbols {
    /// The running kernel's. They are several MiB, and are kept while a caller holds them: hold
    /// them while looking up many names.
    ///
    /// # Errors
    /// When /proc/kallsyms cannot be read or shows no addresses.
    pub fn kernel() -> io::Result<Arc<Symbols>> {
        static HELD: Mutex<Weak<Symbols>> = Mutex::new(Weak::new());
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(symbols) = held.upgrade() {
            return Ok(symbols);
        }
        let symbols = Arc::new(Symbols::read(BufReader::new(File::open("/proc/kallsyms")?))?);
        *held = Arc::downgrade(&symbols);
        Ok(symbols)
    }

    /// Lines of an address, a letter and a name.
    fn read(from: impl BufRead) -> io::Result<Symbols> {
        let mut symbols = Symbols { functions: Vec::new(), names: String::new() };
        for line in from.lines() {
            let line = line?;
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            if address != 0 && matches!(kind, "t" | "T" | "w" | "W") {
                let start = symbols.names.len() as u32;
                symbols.names.push_str(name);
                symbols.functions.push((address, start, symbols.names.len() as u32));
            }
        }
        if symbols.functions.is_empty() {
            let why = "/proc/kallsyms shows no addresses to this user";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        symbols.functions.sort_unstable();
        Ok(symbols)
    }

    /// The function that `address` is in; `None` for what is not the kernel's.
    pub fn name(&self, address: u64) -> Option<&str> {
        let after = self.functions.partition_point(|(start, ..)| *start <= address);
        let (_, from, to) = self.functions.get(after.checked_sub(1)?)?;
        // Functions of user space lie below all of the kernel's; what lies far above the last is none either.
        (after < self.functions.len()).then(|| &self.names[*from as usize..*to as usize])
    }
}

/// The name of the kernel's function at `address`, or the address itself where it is not shown.
pub fn name(address: u64) -> String {
    let known = Symbols::kernel().ok().and_then(|symbols| symbols.name(address).map(str::to_owned));
    known.unwrap_or_else(|| format!("{address:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_function_before_it() {
        let text = "ffffffff81000100 T second\nffffffff81000000 t first\nffffffff81000180 D data\n\
                    ffffffff81000200 T last\nbroken\n";
        let symbols = Symbols::read(text.as_bytes()).unwrap();
        assert_eq!(symbols.name(0xffff_ffff_8100_0000), Some("first"));
        assert_eq!(symbols.name(0xffff_ffff_8100_00ff), Some("first"));
        assert_eq!(symbols.name(0xffff_ffff_8100_01ff), Some("second"));
        assert_eq!(symbols.name(0x7fff_0000), None);
        assert_eq!(symbols.name(u64::MAX), None);
    }

    #[test]
    fn hidden_addresses_are_told() {
        let hidden = Symbols::read("0000000000000000 T first\n".as_bytes()).unwrap_err();
        assert_eq!(hidden.kind(), io::ErrorKind::PermissionDenied);
    }
}
