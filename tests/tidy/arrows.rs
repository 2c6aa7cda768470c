//! Which file needs which, and whether the arrows ever lead back.
//!
//! An arrow leads from a file to each file of the same crate that it names by a path: in a `use`,
//! in a re-export, in the middle of an expression or of a macro. It ends where the path leads: at
//! the file of its last module, or, when that file only imports the name or hands it on, at the
//! file where the name comes from. So a path through a facade is no arrow to the facade, and the
//! facade needs what it hands on.
//!
//! A `mod` declaration is no arrow: it says where a file stands, not what its parent needs. What a child takes from its parent
//! and what a parent takes from its child both count. Tests do not: nothing is built on them. What is not seen is a call of a
//! method, which names no path, and what comes through a glob.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The names of a path. A module has those on the way to it; the crate itself has none.
type Names = Vec<String>;

/// For each file, the files that it needs.
pub(crate) type Arrows<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The arrows of a crate whose sources, by path and text, stand in `folder`.
pub(crate) fn of_crate<'a>(folder: &str, files: &'a [(String, String)]) -> Arrows<'a> {
    let inside = |path: &'a str| path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs");
    let rust = files.iter().filter_map(|(path, text)| Some((path.as_str(), module(inside(path)?), text)));
    let read = |(path, module, text): (&'a str, Names, &String)| {
        let tokens = text.parse().unwrap_or_else(|why| panic!("{path} is no Rust: {why}"));
        let mut source = Source { path, ..Source::default() };
        source.read(tokens);
        (module, source)
    };
    let sources: Sources<'_> = rust.map(read).collect();
    let arrows = |(module, source): (&Names, &Source<'a>)| {
        let ends = source.paths.iter().filter_map(|names| follow(module, names, &sources, 0));
        (source.path, ends.filter(|end| *end != source.path).collect())
    };
    sources.iter().map(arrows).collect()
}

/// The arrows between the JavaScript modules in `folder`: their static imports, each of which names a file.
pub(crate) fn of_page<'a>(folder: &str, files: &'a [(String, String)]) -> Arrows<'a> {
    let ours = |path: &str| path.starts_with(folder) && path.ends_with(".js");
    let scripts = || files.iter().filter(|(path, _)| ours(path));
    let read = |(path, text): &'a (String, String)| {
        let place = path.rsplit_once('/').map_or("", |(place, _)| place);
        let code = text.lines().filter(|line| !line.trim_start().starts_with(['/', '*']));
        let links = code.filter_map(|line| {
            let (_, rest) = line.split_once(" from '").or_else(|| line.split_once("import '"))?;
            rest.split('\'').next()
        });
        let named: BTreeSet<String> = links.map(|link| join(place, link)).collect();
        (
            path.as_str(),
            scripts().map(|(path, _)| path.as_str()).filter(|path| named.contains(*path)).collect(),
        )
    };
    scripts().map(read).collect()
}

/// One circle, as its files in the order of the arrows; the first stands at the end again.
pub(crate) fn circle<'a>(arrows: &Arrows<'a>) -> Option<Vec<&'a str>> {
    let mut left = arrows.clone();
    // A file that needs nothing of the rest is in no circle.
    while let Some(leaf) = left.iter().find_map(|(path, ends)| ends.is_empty().then_some(*path)) {
        left.remove(leaf);
        for ends in left.values_mut() {
            ends.remove(leaf);
        }
    }
    let mut way = vec![*left.keys().next()?];
    loop {
        let next = *left[way.last()?].first()?;
        let met = way.iter().position(|path| *path == next);
        way.push(next);
        if let Some(met) = met {
            return Some(way.split_off(met));
        }
    }
}

/// `a/mod.rs`, `a.rs` and `lib.rs` without their ends, as the names on the way to the module.
fn module(stem: &str) -> Names {
    let mut names: Names = stem.split('/').map(str::to_owned).collect();
    names.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    names
}

/// A link as it stands in a file of `place`, as a path.
fn join(place: &str, link: &str) -> String {
    let mut names: Vec<&str> = place.split('/').collect();
    for step in link.split('/') {
        match step {
            "." => {}
            ".." => drop(names.pop()),
            step => names.push(step),
        }
    }
    names.join("/")
}

/// The files of a crate by their modules.
type Sources<'a> = BTreeMap<Names, Source<'a>>;

/// What a file names.
#[derive(Default)]
struct Source<'a> {
    path: &'a str,
    /// Every path of two names or more.
    paths: Vec<Names>,
    /// What it imports or hands on, by the name that it has there.
    imports: BTreeMap<String, Names>,
}

impl Source<'_> {
    /// Takes note of the paths in code.
    fn read(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut names = Names::new();
        let mut goes_on = false;
        while let Some(token) = tokens.next() {
            let continues = std::mem::take(&mut goes_on);
            match token {
                TokenTree::Punct(colon) if colon.as_char() == ':' && colon.spacing() == Spacing::Joint => {
                    tokens.next();
                    goes_on = true;
                    continue;
                }
                TokenTree::Ident(name) if continues => {
                    names.push(name.to_string());
                    continue;
                }
                _ => self.note(std::mem::take(&mut names)),
            }
            match token {
                TokenTree::Ident(word) if word == "use" => {
                    self.take_apart(tokens.by_ref().take_while(|token| !is(token, ';')).collect(), &[]);
                }
                TokenTree::Ident(name) => names.push(name.to_string()),
                TokenTree::Group(group) => self.read(group.stream()),
                TokenTree::Punct(hash) if hash.as_char() == '#' => {
                    let attribute = tokens.next_if(|token| matches!(token, TokenTree::Group(_)));
                    if attribute.is_some_and(|attribute| is_for_tests(&attribute.to_string())) {
                        // The item ends with its braces or with a semicolon.
                        tokens.by_ref().find(|token| is(token, ';') || has_braces(token));
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        self.note(names);
    }

    fn note(&mut self, names: Names) {
        self.paths.extend((names.len() > 1).then_some(names));
    }

    /// Takes note of a `use` tree, which has `before` in front of its braces.
    fn take_apart(&mut self, tree: TokenStream, before: &[String]) {
        let mut tokens = tree.into_iter();
        loop {
            let (mut names, mut called) = (before.to_vec(), None);
            let mut at_end = true;
            for token in tokens.by_ref() {
                match token {
                    TokenTree::Group(group) => self.take_apart(group.stream(), &std::mem::take(&mut names)),
                    TokenTree::Ident(word) if word == "as" => called = Some(String::new()),
                    TokenTree::Ident(name) if called.is_some() => called = Some(name.to_string()),
                    TokenTree::Ident(word) if word == "self" && !names.is_empty() => {}
                    TokenTree::Ident(name) => names.push(name.to_string()),
                    TokenTree::Punct(comma) if comma.as_char() == ',' => {
                        at_end = false;
                        break;
                    }
                    TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                }
            }
            if let Some(last) = names.last().filter(|_| !at_end || names.len() > before.len()) {
                self.imports.insert(called.unwrap_or_else(|| last.clone()), names.clone());
                self.paths.push(names);
            }
            if at_end {
                return;
            }
        }
    }
}

/// The file to which `names` lead from `module`. Names that lead on and on lead nowhere.
fn follow<'a>(module: &Names, names: &[String], sources: &Sources<'a>, steps: usize) -> Option<&'a str> {
    let mut at = module.clone();
    for (index, name) in names.iter().enumerate() {
        let child = [&at[..], std::slice::from_ref(name)].concat();
        match name.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()?),
            _ if sources.contains_key(&child) => at = child,
            // A name of the outer world, or of an item: nothing is imported by it from a file of this crate.
            _ => {
                let source = sources.get(&at)?;
                let Some(import) = source.imports.get(name).filter(|import| *import != names && steps < 8)
                else {
                    return (index > 0).then_some(source.path);
                };
                let rest = [&import[..], &names[index + 1..]].concat();
                return follow(&at, &rest, sources, steps + 1);
            }
        }
    }
    sources.get(&at).map(|source| source.path)
}

pub(crate) fn is_for_tests(attribute: &str) -> bool {
    let attribute = attribute.replace(' ', "");
    ["[cfg(test)]", "[cfg(all(test,", "[cfg(doctest)]"].iter().any(|test| attribute.starts_with(test))
}

pub(crate) fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

pub(crate) fn has_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}
