//! plain-c-batched: a stream written by hand to save system calls, which are its cost.
//!
//! The sender makes its messages one behind the other in a buffer and writes the buffer when it is full; the
//! receiver reads 64 KiB at a time and verifies the messages where they lie. So a message costs a fraction of a
//! system call, and arrives late: it waits for those behind it. Only a stream can be had that way.
//!
//! The sizes are a choice, not tuned on each machine: a write far beyond a pipe's buffer waits for its reader.

#include "../plain-c/kernel.h"

static About about(void) {
    return (About){
        .name = "plain-c-batched",
        .version = "2",
        .kinds = {"pipe", "unix", "tcp"},
        .workloads = {"stream"},
        .waits = {"block", "spin"},
        .note = "many messages a write: each waits for those behind it",
    };
}

enum { KIB = 1024, READ_BYTES = 64 * KIB };

static Side sides[2], here;

/// What was made and not written yet.
static uint8_t *outgoing;
static size_t batch_bytes, out_bytes;

/// What was read and not taken yet: `in_bytes` from `in_at` on.
static uint8_t *incoming;
static size_t room_bytes, in_at, in_bytes;

static void want_send_buffer(int fd, int wanted_bytes) {
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted_bytes, sizeof wanted_bytes) != 0) FAIL_ERRNO("SO_SNDBUF");
}

static void link_prepare(const Job *job) {
    connect_sides(job, sides);
    if (strcmp(job->kind, "pipe") == 0) {
        batch_bytes = 16 * KIB;
        // Refused where the user's pipes have used up their pages: then it is the default of 64 KiB.
        (void)fcntl(sides[0].out, F_SETPIPE_SZ, 256 * KIB);
    } else if (strcmp(job->kind, "unix") == 0) {
        batch_bytes = 32 * KIB;
        want_send_buffer(sides[0].out, 1024 * KIB);
    } else {
        batch_bytes = 64 * KIB;
        want_send_buffer(sides[0].out, 4096 * KIB);
    }
    if (batch_bytes < job->size_bytes) batch_bytes = job->size_bytes;
    room_bytes = job->size_bytes < READ_BYTES ? READ_BYTES : job->size_bytes;
}

static void link_open(const Job *job, int side, int news) {
    (void)news;
    here = take_side(job, sides, side);
    if (side == 0) outgoing = new_buffer(batch_bytes);
    else incoming = new_buffer(room_bytes);
}

static void link_close(void) { close_side(here); }

static void link_flush(void) {
    write_all(here.out, outgoing, out_bytes);
    out_bytes = 0;
}

static uint8_t *link_loan(uint8_t *own, size_t size_bytes) {
    (void)own;
    if (batch_bytes - out_bytes < size_bytes) link_flush();
    return outgoing + out_bytes;
}

static void link_send(const uint8_t *bytes, size_t size_bytes) {
    (void)bytes; // it was made where it is to be
    out_bytes += size_bytes;
}

static const uint8_t *link_receive(uint8_t *own, size_t size_bytes) {
    (void)own;
    if (in_bytes < size_bytes) {
        memmove(incoming, incoming + in_at, in_bytes);
        in_at = 0;
        while (in_bytes < size_bytes) in_bytes += read_some(here.in, incoming + in_bytes, room_bytes - in_bytes);
    }
    const uint8_t *message = incoming + in_at;
    in_at += size_bytes;
    in_bytes -= size_bytes;
    return message;
}
