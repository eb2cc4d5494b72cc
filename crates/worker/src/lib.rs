//! Part of Ragstream; see ARCHITECTURE.md.
