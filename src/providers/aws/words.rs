//! Choices between words: one declaration gives the spec's word (snake case) and the API's.

/// Declares an enum of unit variants, each with the API's word for it.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $api:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$doc])* $variant),+
        }

        impl $name {
            /// The API's word.
            pub(in crate::providers::aws) fn api(self) -> &'static str {
                match self {
                    $(Self::$variant => $api),+
                }
            }

            /// From the API's word; none if it is new to us.
            pub(in crate::providers::aws) fn from_api(word: &str) -> Option<Self> {
                match word {
                    $($api => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(in crate::providers::aws) use words;
