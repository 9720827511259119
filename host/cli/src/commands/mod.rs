//! One file per command.

pub(crate) mod approve;
pub(crate) mod demo;
pub(crate) mod gate;
pub(crate) mod keys;
pub(crate) mod mask;
pub(crate) mod models;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod run;
