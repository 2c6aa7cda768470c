//! Every public item of the library has an example that runs.
//!
//! Public is what `lib.rs` and a public module hand on by `pub use`; of such a type its `pub` functions and constants, of such
//! a trait all that it holds. The text of a macro counts as code does: each item that it makes has an example, unless the
//! macro passes on what is documented where it is used. What the documentation hides does not count, nor does `scene`, whose
//! words are data: the scene of each mechanism is their example.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::arrows::{has_braces, is, is_for_tests};

const LIBRARY: &str = "crates/crossing/src/";

/// The files that hand on what is public.
const HAND_ON: &[&str] = &["lib.rs", "tokio.rs"];

/// What makes an item.
const ITEMS: &[&str] = &["fn", "struct", "enum", "trait", "const", "type", "static", "union"];

/// The public items of the library that were seen, and what is wrong with some.
#[derive(Default)]
struct Look<'a> {
    path: &'a str,
    /// The names of what is handed on.
    public: BTreeSet<String>,
    /// How many public items there are.
    items: usize,
    /// Those without an example.
    bare: Vec<String>,
}

/// Where an item stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Module,
    /// In a public type's own `impl`.
    Impl,
    Trait,
    /// In the text of a macro, wherever that is used.
    Macro,
}

fn look(files: &[(String, String)]) -> Look<'_> {
    let ours = files.iter().filter_map(|(path, text)| Some((path.strip_prefix(LIBRARY)?, text)));
    let code = ours.filter(|(path, _)| path.ends_with(".rs") && !path.ends_with("/tests.rs"));
    let read = |(path, text): (_, &String)| {
        let tokens: TokenStream = text.parse().unwrap_or_else(|why| panic!("{path} is no Rust: {why}"));
        (path, tokens)
    };
    let sources: Vec<(&str, TokenStream)> = code.map(read).collect();
    let mut look = Look::default();
    for (_, tokens) in sources.iter().filter(|(path, _)| HAND_ON.contains(path)) {
        look.hand_on(tokens.clone());
    }
    for (path, tokens) in sources {
        look.path = path;
        look.read(tokens, Place::Module);
    }
    look
}

impl Look<'_> {
    /// Takes note of the names that a file hands on.
    fn hand_on(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut hidden = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "pub" => {
                    if tokens.next_if(|token| is_word(token, "use")).is_some() {
                        let tree = tokens.by_ref().take_while(|token| !is(token, ';')).collect();
                        self.public.extend(leaves(tree).into_iter().filter(|_| !hidden));
                        hidden = false;
                    }
                }
                TokenTree::Group(attribute) if attribute.delimiter() == Delimiter::Bracket => {
                    hidden |= is_hidden(&attribute.to_string());
                }
                TokenTree::Punct(sign) if sign.as_char() == '#' => {}
                _ => hidden = false,
            }
        }
    }

    /// Looks at the items in code.
    fn read(&mut self, tokens: TokenStream, place: Place) {
        let mut tokens = tokens.into_iter().peekable();
        let (mut about, mut is_public) = (String::new(), false);
        while let Some(token) = tokens.next() {
            let word = match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                    about += &group.to_string();
                    if is_for_tests(&group.to_string()) {
                        tokens.by_ref().find(ends);
                        about.clear();
                    }
                    continue;
                }
                TokenTree::Group(group) => {
                    // What a macro makes or is given, or attributes that it repeats.
                    if group.stream().into_iter().all(|token| is(&token, '#') || has_brackets(&token)) {
                        about += &group.to_string();
                    }
                    self.read(group.stream(), place);
                    continue;
                }
                TokenTree::Ident(word) => word.to_string(),
                TokenTree::Punct(_) | TokenTree::Literal(_) => continue,
            };
            match word.as_str() {
                "pub" => {
                    is_public = tokens.next_if(|token| matches!(token, TokenTree::Group(_))).is_none();
                    continue;
                }
                "const" if tokens.peek().is_some_and(|token| is_word(token, "fn")) => continue,
                "async" | "unsafe" | "extern" => continue,
                "impl" => {
                    let mut header = Vec::new();
                    let body = loop {
                        match tokens.next() {
                            Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
                                break body;
                            }
                            Some(token) => header.push(token),
                            None => return,
                        }
                    };
                    if place == Place::Macro {
                        self.read(body.stream(), place);
                    } else if self_type(&header).is_some_and(|name| self.public.contains(&name)) {
                        self.read(body.stream(), Place::Impl);
                    }
                }
                "macro_rules" => {
                    // The sign and the name.
                    let rules = tokens.by_ref().nth(2);
                    if let Some(TokenTree::Group(rules)) = rules {
                        self.read(rules.stream(), Place::Macro);
                    }
                }
                "mod" => {
                    let inside = tokens.by_ref().nth(1);
                    if let Some(TokenTree::Group(inside)) = inside {
                        self.read(inside.stream(), Place::Module);
                    }
                }
                "use" => drop(tokens.by_ref().find(ends)),
                item if ITEMS.contains(&item) => {
                    let name = tokens.by_ref().find(|token| matches!(token, TokenTree::Ident(_)));
                    let name = name.map(|name| name.to_string()).unwrap_or_default();
                    let counts = match place {
                        Place::Module => is_public && self.public.contains(&name),
                        Place::Impl | Place::Macro => is_public,
                        Place::Trait => true,
                    };
                    if counts && !is_hidden(&about) && !passes_on(&about) {
                        self.items += 1;
                        if !has_example(&about) {
                            self.bare.push(format!("{LIBRARY}{}: `{item} {name}` has no example", self.path));
                        }
                    }
                    let body = tokens.by_ref().find(ends);
                    if let (true, "trait", Some(TokenTree::Group(body))) = (counts, item, body) {
                        self.read(body.stream(), Place::Trait);
                    }
                }
                // The name of a macro that is used, or a word of its text.
                _ => continue,
            }
            about.clear();
            is_public = false;
        }
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(it) if it == word)
}

fn has_brackets(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
}

/// Whether an item ends there.
fn ends(token: &TokenTree) -> bool {
    is(token, ';') || has_braces(token)
}

fn is_hidden(about: &str) -> bool {
    let about = about.replace(' ', "");
    about.contains("doc(hidden)") || about.contains("cfg(feature=\"scene\")")
}

/// Whether a macro documents its item by what is given to it.
fn passes_on(about: &str) -> bool {
    about.replace(' ', "").contains("#[$")
}

/// Whether there is code that is compiled, and run unless it says otherwise.
fn has_example(about: &str) -> bool {
    about.split("```").skip(1).step_by(2).any(|code| {
        let language = code.split(|end: char| !(end.is_alphanumeric() || end == '_')).next();
        language.is_some_and(|language| ["", "no_run", "compile_fail", "should_panic"].contains(&language))
    })
}

/// The names at the ends of a `use` tree.
fn leaves(tree: TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    let mut tokens = tree.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => names.extend(leaves(group.stream())),
            TokenTree::Ident(name) if !tokens.peek().is_some_and(|token| is(token, ':')) => {
                names.push(name.to_string());
            }
            _ => {}
        }
    }
    names
}

/// The name of the type that an `impl` is for. None of that of a trait.
fn self_type(header: &[TokenTree]) -> Option<String> {
    let mut depth = 0_usize;
    let mut name = None;
    for token in header {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => depth = depth.saturating_sub(1),
            TokenTree::Ident(word) if depth == 0 && word == "for" => return None,
            TokenTree::Ident(word) if depth == 0 && word == "where" => break,
            TokenTree::Ident(word) if depth == 0 => name = Some(word.to_string()),
            _ => {}
        }
    }
    name
}

#[test]
fn every_public_item_has_an_example() {
    let files = super::files();
    let Look { items, bare, .. } = look(&files);
    assert!(bare.is_empty(), "{}", bare.join("\n"));
    // A macro makes more of one.
    assert!(items > 300, "{items} public items were found");
}

#[test]
fn an_item_without_an_example_is_found_wherever_it_stands() {
    let bare = |text: &str| {
        let library = "mod a; mod b; pub use a::Seen; #[doc(hidden)] pub use b::Hidden; pub use b::{helper, Trait as T, Trait};";
        let files = [("lib.rs", library), ("a.rs", text)]
            .map(|(path, text)| (format!("{LIBRARY}{path}"), text.to_owned()));
        look(&files).bare
    };
    let fence = "/// ```\n/// assert!(true);\n/// ```\n";
    for (item, text) in [
        ("struct Seen", "pub struct Seen;".to_owned()),
        ("enum Seen", "/// What it is.\n#[derive(Debug)]\npub enum Seen { A }".to_owned()),
        (
            "fn f",
            format!("{fence}pub struct Seen;\nimpl Seen {{\n/// What it does.\npub fn f(&self) {{}}\n}}"),
        ),
        (
            "fn g",
            format!("impl<'a, M: Into<u8>> Seen<'a, M> {{ {fence}pub fn f() {{}}\npub const fn g() {{}} }}"),
        ),
        ("const C", "impl Seen { pub const C: [u8; 2] = [1; 2]; }".to_owned()),
        ("fn helper", "pub async fn helper() {}".to_owned()),
        ("fn f", format!("{fence}pub trait Trait {{ fn f(&self) {{ fn g() {{}} }} }}")),
        ("const C", format!("{fence}pub trait Trait {{ const C: u8; {fence}fn f(&self); }}")),
        ("type Seen", "/// ```text\n/// no code\n/// ```\npub type Seen = u8;".to_owned()),
        (
            "fn name",
            "macro_rules! m { ($($name:ident;)*) => { $(#[doc = \"So.\"] pub fn $name() {})* } }".to_owned(),
        ),
        ("fn f", "macro_rules! m { () => { impl Seen { pub fn f() {} } } }".to_owned()),
        (
            "fn g",
            "macro_rules! m { () => { $(#[doc = \"```\\nf();\\n```\"] pub fn f() {})* pub fn g() {} } }"
                .to_owned(),
        ),
        ("enum Seen", "m! { pub enum Seen { A } }".to_owned()),
    ] {
        assert_eq!(bare(&text), [format!("{LIBRARY}a.rs: `{item}` has no example")], "{text}");
    }
    for fine in [
        format!("{fence}pub struct Seen;"),
        "/// ```no_run\n/// f()\n/// ```\npub struct Seen;".to_owned(),
        "pub(crate) struct Seen; struct Trait; pub struct Hidden;".to_owned(),
        "impl Seen { fn f() {} pub(crate) fn g() {} #[doc(hidden)] pub fn h() {} }".to_owned(),
        "impl Seen { #[cfg(feature = \"scene\")] pub fn scene() {} }".to_owned(),
        "pub trait Inner { fn f(); } impl Inner for Seen { fn f() {} } impl Other { pub fn f() {} }"
            .to_owned(),
        "#[cfg(test)] mod tests { pub struct Seen; }".to_owned(),
        "macro_rules! m { ($(#[$about:meta])* pub struct A;) => { $(#[$about])* pub struct A; } }".to_owned(),
        "macro_rules! m { () => { #[doc = concat!(\"\\n```\\n\", \"f();\\n```\")] pub fn f() {} } }"
            .to_owned(),
    ] {
        assert_eq!(bare(&fine), Vec::<String>::new(), "{fine}");
    }
}
