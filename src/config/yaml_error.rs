//! The YAML parser's errors in words for people who do not know its grammar.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use granit_parser::ErrorKind;

/// What is wrong, and what to do.
pub(super) fn words(kind: &ErrorKind) -> (String, &'static str) {
    let said = |what: &str, help: &'static str| (what.to_owned(), help);
    match kind {
        ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::UnclosedFlowCollection { open: '[' } => {
            said("a list in `[ ]` is not closed", "add `]`, or a `,` between its items")
        }
        ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnclosedFlowCollection { .. } => {
            said("a mapping in `{ }` is not closed", "add `}`, or a `,` between its entries")
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            (format!("`{open}` is closed by `{close}`"), "close each bracket by its own kind")
        }
        ErrorKind::MisplacedFlowCollectionEnd => said("a closing bracket without an opening one", "remove it"),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            said("a text in quotes is not closed", "add the closing quote")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            said("something follows a text in quotes", "put all of it into the quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape | ErrorKind::InvalidQuotedScalarHexEscape => {
            said("an unknown escape in double quotes", "write `\\\\` for a backslash, or use single quotes")
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => said("a tab in the indentation", TABS),
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::UnexpectedEofBlockMapping
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::UnexpectedEofBlockSequence
        | ErrorKind::InvalidBlockScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidFlowScalarIndent => {
            said("this line does not fit the lines above", "indent it as its neighbours, and end each key with `:`")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => said(
            "a `:` where no key can stand",
            "put a text that holds `: ` into quotes; give each key a line of its own",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            said("a key without `:`", "write `key: value`, or put a long text into quotes")
        }
        ErrorKind::UnknownAnchor => said("an alias without an anchor", "put `&name` before the value that `*name` repeats"),
        ErrorKind::UnexpectedCharacter { character } => (
            format!("a text can't begin with `{}`", character.escape_default()),
            "put it into quotes",
        ),
        ErrorKind::MissingAnchorOrAliasName => {
            said("`*` and `&` begin an alias and an anchor, and a name must follow", "put a text such as `*` into quotes")
        }
        ErrorKind::CommentNotSeparated => said("a comment without a space before it", "put a space before `#`"),
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => {
            said("an item `- ` where no list can stand", "put the list on lines of its own, below its key")
        }
        // What is left concerns directives, tags and rare escapes.
        _ => said("this is not YAML", "correct the punctuation or the indentation at or before this place"),
    }
}

/// What to do about tabs.
pub(super) const TABS: &str = "indent with spaces: YAML does not allow tabs";
