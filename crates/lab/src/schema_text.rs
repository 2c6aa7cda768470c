//! What the schemas say of types that JSON holds as words of the command line (`plan::as_text`).

use std::borrow::Cow;

use crossing::Kind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A type that JSON holds as one of the command line's words.
macro_rules! text {
    ($(#[doc = $about:literal] $name:ident = $title:literal: $schema:expr;)*) => {$(
        #[doc = $about]
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema: Schema = $schema;
                schema.insert("description".into(), $about.trim().into());
                schema
            }
        }
    )*};
}

text! {
    /// A mechanism.
    KindText = "Kind": json_schema!({ "enum": Kind::ALL.map(Kind::name) });
    /// How both ends wait; `hybrid:<N>us` spins N microseconds, then sleeps.
    WaitText = "Wait": json_schema!({ "type": "string", "pattern": "^(spin|block|hybrid|hybrid:[0-9]+us)$" });
    /// Where the two processes run; two numbers are the sender's core and the receiver's.
    PlacementText = "Placement": json_schema!({
        "type": "string", "pattern": "^(same-core|cross-core|unpinned|[0-9]+,[0-9]+)$"
    });
}
