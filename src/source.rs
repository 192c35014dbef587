//! Source files and positions in them.
//!
//! Everything a user wrote keeps a [`Span`], so that any later stage can point at the exact characters.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::ops::Range;
use std::sync::Arc;

/// Index of a file in [`Files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span over `range` in `file`.
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, start: clamp(range.start), end: clamp(range.end.max(range.start)) }
    }

    /// The bytes covered.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A value together with the place it was written at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Pairs a value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// One source file: its path as shown to the user (relative to the project) and its text.
#[derive(Debug, Clone)]
pub struct File {
    /// Path relative to the project's folder, with `/` between parts.
    pub path: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// First byte of each line.
    lines: Arc<[usize]>,
}

impl File {
    /// A file.
    pub fn new(path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text: Arc<str> = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path: path.into(), text, lines }
    }

    /// Line and column (from 1, in characters) of a byte.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = (0..=offset.min(self.text.len())).rev().find(|i| self.text.is_char_boundary(*i)).unwrap_or(0);
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, self.text[start..offset].chars().count() + 1)
    }
}

/// All source files of a run. Files are only ever added.
#[derive(Debug, Clone, Default)]
pub struct Files {
    files: Vec<File>,
}

impl Files {
    /// Adds a file and returns its id.
    pub fn add(&mut self, path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        self.files.push(File::new(path, text));
        FileId(clamp(self.files.len() - 1))
    }

    /// The file with this id.
    ///
    /// # Panics
    /// If the id was not made by this collection: ids are never invented elsewhere.
    pub fn get(&self, id: FileId) -> &File {
        &self.files[id.0 as usize]
    }

    /// `path:line:column` of the start of a span; lines and columns count from 1, columns in characters.
    pub fn position(&self, span: Span) -> String {
        let file = self.get(span.file);
        let (line, column) = file.line_column(span.start as usize);
        format!("{}:{line}:{column}", file.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let mut files = Files::default();
        let id = files.add("stacks/a.yaml", "名前: 値\nb: c");
        assert_eq!(files.position(Span::new(id, 8..9)), "stacks/a.yaml:1:5");
        assert_eq!(files.position(Span::new(id, 12..13)), "stacks/a.yaml:2:1");
    }

    #[test]
    fn an_offset_inside_a_character_or_past_the_end_does_not_panic() {
        assert_eq!(File::new("a", "値").line_column(1), (1, 1));
        assert_eq!(File::new("a", "a\n").line_column(99), (2, 1));
    }
}
