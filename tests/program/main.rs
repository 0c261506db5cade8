//! The program as a person or a scheduler runs it, on servers in this process.

mod commands;
mod demo;
mod faults;
mod scripted;
