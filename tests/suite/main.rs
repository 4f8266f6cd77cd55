//! The end-to-end suite, by theme. The harness of all tests is in `src/`, beside this folder.

mod access;
mod access_table;
mod age;
mod architecture;
mod bus;
mod bus_security;
mod clients;
mod compat;
mod documented;
mod door;
mod ending;
mod fanout;
mod frozen;
mod h264;
mod joins;
mod late;
mod limits;
mod links;
mod lossy;
mod manners;
mod options;
mod recovery;
mod sources;
mod standby;
mod supervising;
mod transports;
