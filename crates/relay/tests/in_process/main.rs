//! A relay in this process, between cameras that publish exactly what a test says and viewers that read what they are
//! sent: nothing here depends on how fast the machine is.

mod harness;

mod catalog;
mod door;
mod fan_out;
mod h264;
mod http;
mod sizes;
mod v1;
mod wishes;
