//! Saved bytes as text: UTF-8, with or without a byte order mark. Any other encoding is an error
//! that names it.

/// The UTF-8 byte order mark, which some editors put first.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a file that is no UTF-8 text begins with, what that is, and what to do.
const OTHERS: [(&[u8], &str); 14] = [
    (b"\xff\xfe\0\0", "UTF-32 text: save it as UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32 text: save it as UTF-8"),
    (b"{\0\0\0", "UTF-32 text: save it as UTF-8"),
    (b"\0\0\0{", "UTF-32 text: save it as UTF-8"),
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
    (b"{\0", "UTF-16 text: save it as UTF-8"),
    (b"\0{", "UTF-16 text: save it as UTF-8"),
    (b"\x1f\x8b", "packed with gzip: unpack it first (gunzip)"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it first (unzstd)"),
    (b"\xfd7zXZ\0", "packed with xz: unpack it first (unxz)"),
    (b"BZh", "packed with bzip2: unpack it first (bunzip2)"),
    (b"PK\x03\x04", "a zip archive: unpack it first (unzip)"),
    (b"\x7fELF", "a program"),
];

/// The text behind a byte order mark, if there is one.
///
/// ```
/// assert_eq!(lab::text::plain(b"\xef\xbb\xbf{}"), Ok(&b"{}"[..]));
/// assert_eq!(lab::text::plain(b"{\0}\0"), Err("this is UTF-16 text: save it as UTF-8".into()));
/// ```
///
/// # Errors
/// One sentence that says what the bytes are instead, where they begin like something that is known.
pub fn plain(bytes: &[u8]) -> Result<&[u8], String> {
    match OTHERS.iter().find(|(begins, _)| bytes.starts_with(begins)) {
        Some((_, what)) => Err(format!("this is {what}")),
        None => Ok(bytes.strip_prefix(MARK).unwrap_or(bytes)),
    }
}
