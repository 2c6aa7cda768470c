//! The name of a type finds one type, in the three crates and the binary together.
//!
//! What is defined in a module counts, private or not: a search does not know who may use it. What a test defines for itself
//! does not count, nor does what stands in a function, a trait, an `impl` or a macro.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};

use super::arrows::{has_braces, is, is_for_tests};

/// Where each name of a type is defined.
type Names<'a> = BTreeMap<String, Vec<&'a str>>;

/// Every name that more than one type has, with the files of those types.
fn shared_names(files: &[(String, String)]) -> Vec<String> {
    let mut names = Names::new();
    for (path, text) in files.iter().filter(|(path, _)| super::is_ours(path) && !path.ends_with("/tests.rs"))
    {
        let tokens = text.parse().unwrap_or_else(|why| panic!("{path} is no Rust: {why}"));
        note(tokens, path, &mut names);
    }
    assert!(!names.is_empty(), "no type was found");
    let shared = names.into_iter().filter(|(_, places)| places.len() > 1);
    shared
        .map(|(name, places)| format!("`{name}` is defined in {}: say what each is of", places.join(", ")))
        .collect()
}

/// Takes note of the types in a module's code.
fn note<'a>(tokens: TokenStream, path: &'a str, names: &mut Names<'a>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let word = match token {
            TokenTree::Ident(word) => word.to_string(),
            TokenTree::Group(attribute) if is_for_tests(&attribute.to_string()) => {
                // The item ends with its braces or with a semicolon.
                tokens.by_ref().find(|token| is(token, ';') || has_braces(token));
                continue;
            }
            _ => continue,
        };
        let of_a_type = ["struct", "enum", "trait", "type", "union"].contains(&word.as_str());
        if !of_a_type && word != "mod" {
            continue;
        }
        let Some(TokenTree::Ident(name)) = tokens.next_if(|token| matches!(token, TokenTree::Ident(_)))
        else {
            continue;
        };
        if of_a_type {
            names.entry(name.to_string()).or_default().push(path);
        } else if let Some(TokenTree::Group(inside)) = tokens.next() {
            note(inside.stream(), path, names);
        }
    }
}

#[test]
fn the_name_of_a_type_finds_one_type() {
    let shared = shared_names(&super::files());
    assert!(shared.is_empty(), "{}", shared.join("\n"));
}

#[test]
fn a_name_that_two_types_have_is_found_wherever_they_are() {
    let first = ("crates/crossing/src/a.rs", "pub struct Row;");
    let found = |path: &str, text: &str| {
        let files = [first, (path, text)].map(|(path, text)| (path.to_owned(), text.to_owned()));
        shared_names(&files)
    };
    for second in [
        "pub enum Row {}",
        "pub(crate) trait Row {}",
        "#[derive(Debug)]\nstruct Row<'a>(&'a str);",
        "type Row = u8;",
        "mod inside { union Row { a: u8 } }",
        "#[cfg(unix)] struct Row;",
        "#[cfg(test)] use x::Y; struct Row;",
        "#[cfg(test)] mod tests { fn f() {} } struct Row;",
    ] {
        for path in ["crates/lab/src/b/c.rs", "src/b.rs", "crates/crossing/src/b.rs"] {
            let says = format!("`Row` is defined in {}, {path}: say what each is of", first.0);
            assert_eq!(found(path, second), [says], "{second}");
        }
    }
    for other in [
        "struct Rows; struct ReportRow;",
        "enum Other { Row }",
        "use a::Row; // struct Row;\nconst WORDS: &str = \"struct Row;\";",
        "#[cfg(test)] mod tests { struct Row; }",
        "#[cfg(all(test, unix))] struct Row;",
        "#[cfg(doctest)] #[doc = \"Runs.\"] struct Row;",
        "fn f() { struct Row; }",
        "impl Trait for T { type Row = u8; }",
        "trait Trait { type Row; }",
        "macro_rules! one { () => { struct Row; } }",
    ] {
        assert_eq!(found("src/b.rs", other), Vec::<String>::new(), "{other}");
    }
    for elsewhere in
        ["crates/lab/src/b/tests.rs", "rivals/one/src/b.rs", "tests/b.rs", "crates/lab/README.md"]
    {
        assert_eq!(found(elsewhere, first.1), Vec::<String>::new(), "{elsewhere}");
    }
}
