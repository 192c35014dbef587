//! Views of plans and reports: text, JSON, Markdown.
