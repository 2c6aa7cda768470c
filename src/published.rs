//! What is published of the data: `docs/*.schema.json` and the page's `web/model.d.ts`, made from the Rust types.
//!
//! A field that is added to a type is in all of them once they are renewed:
//! `RENEW=1 cargo test -p ipcscope published`.

use std::collections::BTreeMap;
use std::fs;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use atlas::{ProgramMap, WatchReport};
use lab::compare::Comparison;
use lab::judge::Beside;
use lab::report::Report;
use lab::trace::{Event, Header, SCHEMA};

use crate::history::Run;
use crate::render::choice::ChoiceAnswer;
use crate::server::{
    CountedAnswer, DoctorAnswer, JudgedRun, LabAnswer, MapChange, MapSnapshot, ProbeState, RaceStarted,
    RaceState, WatchAnswer,
};

/// A generator of what is written, not of what would be read.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// The schema as it is published: closed, and without what only Rust means.
fn published(schema: Schema) -> Value {
    let mut value = schema.to_value();
    settle(&mut value);
    value
}

/// Closes objects, and turns rustdoc into prose. What is left out when there is none is never `null`; a field with a default
/// may be absent, because records of before lack it.
fn settle(value: &mut Value) {
    let object = match value {
        Value::Object(object) => object,
        Value::Array(list) => return list.iter_mut().for_each(settle),
        _ => return,
    };
    if object.get("format").is_some_and(Value::is_string) {
        object.remove("format");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = prose(text);
    }
    let mut required = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, field) in properties.iter_mut() {
            let Value::Object(field) = field else { continue };
            if !required.contains(&name.as_str().into()) {
                field.values_mut().filter_map(Value::as_array_mut).for_each(|some| {
                    some.retain(|one| *one != "null" && one["type"] != "null");
                });
                if let Some([kind]) = field.get("type").and_then(Value::as_array).map(Vec::as_slice) {
                    *field = field.clone().into_iter().chain([("type".into(), kind.clone())]).collect();
                }
            }
            if field.remove("default").is_some() {
                required.retain(|one| one != name);
            }
        }
        object.insert("required".into(), required.into());
        object.insert("additionalProperties".into(), false.into());
    }
    object.values_mut().for_each(settle);
}

/// A comment's words: links without where they lead, and `null` for `None`.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let (name, after) = link.split_once("`]").unwrap_or((link, ""));
        out += &format!("{before}`{name}`");
        rest = after.strip_prefix('(').and_then(|to| to.split_once(')')).map_or(after, |(_, after)| after);
    }
    (out + rest).replace('\n', " ").replace("`None`", "`null`")
}

fn report() -> Value {
    published(generator().into_root_schema_for::<Report>())
}

fn map() -> Value {
    published(generator().into_root_schema_for::<ProgramMap>())
}

fn watch() -> Value {
    published(generator().into_root_schema_for::<WatchReport>())
}

fn trace() -> Value {
    let mut generator = generator();
    let lines = [generator.subschema_for::<Header>(), generator.subschema_for::<Event>()];
    let mut schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trace",
        "description": "One line of a trace (docs/trace.md): the first line is the header, every other line an event. It says \
                        what this version writes; a reader must ignore fields and values of `what` that it does not know.",
        "anyOf": lines,
    });
    schema.insert("$defs".into(), Value::Object(generator.take_definitions(true)));
    published(schema)
}

/// The types of the page: every definition of both schemas, and those of what the lab answers (docs/api.md).
fn page() -> String {
    let mut answers = generator();
    answers.subschema_for::<(LabAnswer, DoctorAnswer, CountedAnswer, RaceState, ProbeState, RaceStarted)>();
    answers.subschema_for::<(MapSnapshot<'_>, MapChange<'_>, WatchAnswer<'_>)>();
    answers.subschema_for::<(Run, JudgedRun, ChoiceAnswer, Beside, Comparison)>();
    let answers = json!({ "$defs": answers.take_definitions(true) });
    let report = report();
    let mut definitions = BTreeMap::from([("Report".to_owned(), report.clone())]);
    for part in [report, trace(), published(answers.try_into().unwrap())] {
        definitions.extend(part["$defs"].as_object().cloned().into_iter().flatten());
    }
    // The page draws scenes, and knows no mechanism by name.
    definitions.insert("Kind".into(), json!({ "type": "string" }));
    let mut out = String::from(
        "// Made from the Rust types; not to be edited. To renew it: RENEW=1 cargo test -p ipcscope published\n",
    );
    for (name, schema) in &definitions {
        let schema = if name == "Event" { &any_event(schema) } else { schema };
        out.push('\n');
        match schema["properties"].as_object() {
            Some(fields) => out += &format!("export interface {name} {{\n{}}}\n", lines(fields, schema)),
            None => out += &format!("export type {name} = {}\n", typescript(schema)),
        }
    }
    out
}

/// One interface for all events: which fields there are follows from `what`, and unknown ones are ignored.
fn any_event(schema: &Value) -> Value {
    let mut fields: Map<String, Value> = Map::new();
    let variants = schema["oneOf"].as_array().unwrap();
    for (name, field) in variants.iter().flat_map(|variant| variant["properties"].as_object().unwrap()) {
        let kinds = fields.entry(name).or_insert_with(|| json!({ "anyOf": [] }));
        kinds["anyOf"].as_array_mut().unwrap().push(field.clone());
    }
    fields.insert("what".into(), json!({ "type": "string"}));
    json!({ "properties": fields, "required": ["t_ns", "what"] })
}

/// The fields of an interface, one a line. Their sentences are in the schemas.
fn lines(fields: &Map<String, Value>, schema: &Value) -> String {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.contains(&name.into()));
    let line = |(name, field): (&String, &Value)| {
        let mark = if required(name) { "" } else { "?" };
        // A placeholder of the page has no version, so that an interface says `number` where the schema says which.
        let kind = match field["type"].as_str() {
            Some("string") => "string".into(),
            Some("integer") => "number".into(),
            _ => typescript(field),
        };
        format!("  {name}{mark}: {kind}\n")
    };
    fields.iter().map(line).collect()
}

/// A schema as a type of TypeScript.
fn typescript(schema: &Value) -> String {
    let list = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let union = |mut types: Vec<String>| {
        types.dedup();
        let null = types.iter().any(|one| one == "null");
        types.retain(|one| one != "null");
        types.extend(null.then(|| "null".into()));
        types.join(" | ")
    };
    let named = |name: &str| match name {
        "integer" | "number" => "number".to_owned(),
        "array" => {
            let tuple: Vec<String> = match (list("prefixItems"), schema["maxItems"].as_u64()) {
                ([], Some(count)) => (0..count).map(|_| typescript(&schema["items"])).collect(),
                (items, _) => items.iter().map(typescript).collect(),
            };
            match tuple[..] {
                [] => format!("Array<{}>", typescript(&schema["items"])),
                _ => format!("[{}]", tuple.join(", ")),
            }
        }
        "object" => match schema["properties"].as_object() {
            Some(fields) => {
                let required = list("required");
                let field = |(name, field): (&String, &Value)| {
                    let mark = if required.contains(&name.as_str().into()) { "" } else { "?" };
                    format!("{name}{mark}: {}", typescript(field))
                };
                format!("{{ {} }}", fields.iter().map(field).collect::<Vec<_>>().join("; "))
            }
            None => format!("Record<string, {}>", typescript(&schema["additionalProperties"])),
        },
        other => other.to_owned(),
    };
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if !schema["const"].is_null() {
        return schema["const"].to_string();
    }
    match (&schema["type"], list("enum"), [list("oneOf"), list("anyOf")].concat()) {
        (_, values @ [_, ..], _) => union(values.iter().map(Value::to_string).collect()),
        (_, _, some) if !some.is_empty() => union(some.iter().map(typescript).collect()),
        (Value::String(name), ..) => named(name),
        (Value::Array(names), ..) => union(names.iter().filter_map(Value::as_str).map(named).collect()),
        _ => "unknown".into(),
    }
}

/// What the page's reader holds a trace against: the kind of each field of every shape. A shape that is one of several, told
/// apart by `is` or `what`, has what all of them have under its own name, and the rest under `Name word`.
fn shapes() -> String {
    let trace = trace();
    let definitions = trace["$defs"].as_object().unwrap();
    let fields = |schema: &Value| {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let kind = |(name, field): (&String, &Value)| {
            let absent = if required.contains(&name.as_str().into()) { "" } else { "~" };
            (name.clone(), format!("{absent}{}", kind(definitions, field)).into())
        };
        schema["properties"].as_object().map(|fields| fields.iter().map(kind).collect::<Map<_, _>>())
    };
    let mut shapes = Map::new();
    for (name, schema) in definitions {
        let variants = variants(schema);
        if variants.is_empty() {
            shapes.extend(fields(schema).map(|fields| (name.clone(), fields.into())));
            continue;
        }
        let mut of_each: Vec<Map<_, _>> =
            variants.iter().filter_map(|(_, variant)| fields(variant)).collect();
        // One variant may require what the others only allow: the shortest tells what is usual.
        of_each.sort_by_key(Map::len);
        let mut common = of_each.first().cloned().unwrap_or_default();
        common.retain(|name, _| of_each.iter().all(|fields| fields.contains_key(name)));
        for (word, variant) in variants {
            let mut own = fields(variant).unwrap_or_default();
            own.retain(|name, kind| common.get(name) != Some(kind));
            if !own.is_empty() {
                shapes.insert(format!("{name} {word}"), own.into());
            }
        }
        shapes.insert(name.clone(), common.into());
    }
    let lines: String =
        shapes.iter().map(|(name, fields)| format!("  {}: {fields},\n", json!(name))).collect();
    format!(
        "// Made from the Rust types; not to be edited. To renew it: RENEW=1 cargo test -p ipcscope published\n\n\
         /** The version of a trace's structure. */\n\
         export const SCHEMA = {SCHEMA}\n\n\
         /**\n * The kind of each field: a type, a shape, a list `[]` or `[2]` of either; a `count` is a whole number from 0.\n\
         \x20* Without a value a field with `?` is null, and one with `~` is absent.\n\
         \x20* @type {{Record<string, Record<string, string>>}}\n */\n\
         export const shapes = {{\n{lines}}}\n"
    )
}

/// The variants of a shape that is one of several, each with the word that tells it.
fn variants(schema: &Value) -> Vec<(&str, &Value)> {
    let tagged = |variant| Some((tag(variant)?, variant));
    schema["oneOf"].as_array().into_iter().flatten().filter_map(tagged).collect()
}

/// The word by which a variant is told from the others.
fn tag(variant: &Value) -> Option<&str> {
    ["is", "what"].iter().find_map(|tag| variant["properties"][tag]["const"].as_str())
}

/// The kind of a field. What is one of several words is a text, because a reader must take words that it does not know.
fn kind(definitions: &Map<String, Value>, schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let meant = &definitions[name];
        let is_shape = meant["properties"].is_object() || !variants(meant).is_empty();
        return if is_shape { name.into() } else { kind(definitions, meant) };
    }
    let several = ["oneOf", "anyOf"].iter().find_map(|name| schema[name].as_array());
    match (&schema["type"], several) {
        (Value::String(name), _) if name == "array" => {
            let count = schema["maxItems"].as_u64().map_or(String::new(), |count| count.to_string());
            format!("[{count}]{}", kind(definitions, &schema["items"]))
        }
        (Value::String(name), _) if name == "integer" && schema["minimum"] == 0 => "count".into(),
        (Value::String(name), _) => name.clone(),
        (Value::Array(names), _) => {
            let name = names.iter().find(|name| *name != "null").cloned();
            kind(definitions, &json!({ "type": name, "minimum": schema["minimum"] })) + "?"
        }
        (_, Some(some)) => {
            let null = if some.iter().any(|one| one["type"] == "null") { "?" } else { "" };
            kind(definitions, &some[0]) + null
        }
        _ if schema["const"].is_string() || schema["enum"].is_array() => "string".into(),
        _ => "unknown".into(),
    }
}

#[test]
fn what_is_published_is_what_the_types_say() {
    let json = |value: &Value| serde_json::to_string_pretty(value).unwrap() + "\n";
    for (path, made) in [
        ("docs/report.schema.json", json(&report())),
        ("docs/trace.schema.json", json(&trace())),
        ("docs/map.schema.json", json(&map())),
        ("docs/watch.schema.json", json(&watch())),
        ("web/model.d.ts", page()),
        ("web/js/shapes.js", shapes()),
    ] {
        let file = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("RENEW").is_some() {
            fs::write(&file, &made).unwrap();
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(found == made, "{path} is not what the types say: RENEW=1 cargo test -p ipcscope published");
    }
}
