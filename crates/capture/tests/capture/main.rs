//! A whole capture, from outside: started in process or as a program, and watched over the bus.

mod architecture;
mod files;
mod harness;
mod program;
mod streams;
mod urls;
