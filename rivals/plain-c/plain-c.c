//! plain-c: what the same exchange costs in a plain C program.
//!
//! Two processes, each on its core, pass messages of a fixed size through a pipe, a Unix socket or TCP by
//! nothing but read(2) and write(2), one of each for a message. There is no frame header, no library and no layer
//! between the loop and the kernel, so whatever ipcscope's channels cost above this is ipcscope's own doing.

#include "kernel.h"

static About about(void) {
    return (About){
        .name = "plain-c",
        .version = "2",
        .kinds = {"pipe", "unix", "tcp"},
        .workloads = {"ping-pong", "stream"},
        .waits = {"block", "spin"},
    };
}

static Side sides[2], here;

static void link_prepare(const Job *job) { connect_sides(job, sides); }

static void link_open(const Job *job, int side, int news) {
    (void)news;
    here = take_side(job, sides, side);
}

static void link_close(void) { close_side(here); }

static uint8_t *link_loan(uint8_t *own, size_t size_bytes) {
    (void)size_bytes;
    return own;
}

static void link_send(const uint8_t *bytes, size_t size_bytes) { write_all(here.out, bytes, size_bytes); }

static void link_flush(void) {} // nothing is ever kept back

static const uint8_t *link_receive(uint8_t *own, size_t size_bytes) {
    read_all(here.in, own, size_bytes);
    return own;
}
