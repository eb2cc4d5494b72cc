//! Extraction in a process of its own.
//!
//! Three kinds of processes. The *parent* (a role of Ragstream) wants texts. The *fork server*,
//! one for each [`ChildExtractor`], is the same program, started once. A *reader* is
//! a fork of it, which reads one file and ends. Why there is a server: the loader relocates 140,000
//! addresses of a program that holds every role, which takes more processor time than to
//! read a page; a fork has that behind it.
//!
//! What the server may not do, so that a fork of it is as clean as a program just started:
//! - it has one thread, and refuses to serve with more: a lock that another thread held would
//!   stay closed in the fork;
//! - it opens no document and looks at no request: it hands bytes and pipes on to its
//!   fork, and overwrites them before the next. Nothing of a document is ever in it, and so
//!   nothing of one in the reader of another;
//! - it initializes nothing that a reader uses (no pool, no cache, no random seed), and what it
//!   allocates it does once.
//!
//! A reader is a child of the *parent* (`CLONE_PARENT`): the parent waits for it, kills it and
//! learns how it ended without the server, and goes on reading when the server dies. It has a
//! process group of its own, limits, and locks ([`resources`], [`sandbox`]) before it opens its document,
//! which it also did when it was a program started anew.
//!
//! What holds: none of them outlives the parent, for the kernel kills each of them when the parent's thread
//! ends that started the server, which lives as long as they do. A server that dies is started
//! again. What fails because of that is `Failed`, never the document's fault.
//!
//! What it costs: all readers of a server have the same layout of memory, until it is started
//! again. A document that crashes its reader may tell an attacker nothing but that it did.

mod entry;
mod fork;
mod frame;
mod parent;
mod process;
mod request;
mod resources;
mod sandbox;
mod server;
mod verdict;

pub use entry::{child_main, child_main_after};
pub use parent::{ChildExtractor, Extraction};
