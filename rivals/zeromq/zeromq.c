//! zeromq: a pair of sockets over a Unix socket (`ipc://`) or TCP.
//!
//! Each process has one thread of the library beside its own, which does all reading and writing. It sits on the same
//! core, because it is there that the job places the process; a side that spins gives it the core between polls.

#include "../guest.h"
#include <zmq.h>

static About about(void) {
    return (About){
        .name = "zeromq",
        .version = "libzmq 4.3, guest 1",
        .kinds = {"unix", "tcp"},
        .workloads = {"ping-pong", "stream"},
        .waits = {"block", "spin"},
        .note = "a thread of the library's own on each side's core; it batches by itself",
    };
}

/// Messages that may wait at each end.
enum { HIGH_WATER_MARK = 10000, ADDRESS_BYTES = 128 };

static void *context, *sock;
static int flags;

#define FAIL_ZMQ(what) FAIL("%s: %s", (what), zmq_strerror(errno))

static void link_prepare(const Job *job) { (void)job; }

static void set(int option, int value) {
    if (zmq_setsockopt(sock, option, &value, sizeof value) != 0) FAIL_ZMQ("zmq_setsockopt");
}

/// The first side binds, and tells the second one where.
static void link_open(const Job *job, int side, int news) {
    char address[ADDRESS_BYTES] = {0};
    size_t length = sizeof address;
    context = zmq_ctx_new();
    sock = context == NULL ? NULL : zmq_socket(context, ZMQ_PAIR);
    if (sock == NULL) FAIL_ZMQ("zmq_socket");
    set(ZMQ_SNDHWM, HIGH_WATER_MARK);
    set(ZMQ_RCVHWM, HIGH_WATER_MARK);
    set(ZMQ_LINGER, 0); // what is still on its way when the run is over is of no use
    if (side == 0) {
        if (strcmp(job->kind, "tcp") == 0) snprintf(address, sizeof address, "tcp://127.0.0.1:*");
        else snprintf(address, sizeof address, "ipc://@ipcscope-rival-%d", (int)getpid());
        if (zmq_bind(sock, address) != 0) FAIL_ZMQ("zmq_bind");
        if (zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, address, &length) != 0) FAIL_ZMQ("ZMQ_LAST_ENDPOINT");
        say(news, address, sizeof address);
    } else {
        hear(news, address, sizeof address);
        if (zmq_connect(sock, address) != 0) FAIL_ZMQ("zmq_connect");
    }
    flags = job->spin ? ZMQ_DONTWAIT : 0;
    yield_when_empty = true; // to the library's thread
}

static void link_close(void) {
    zmq_close(sock);
    zmq_ctx_term(context);
}

static uint8_t *link_loan(uint8_t *own, size_t size_bytes) {
    (void)size_bytes;
    return own;
}

/// Whether a call that returned `moved` is to be made again.
static bool again(int moved, const char *what) {
    if (moved >= 0) return false;
    if (errno == EAGAIN) not_yet();
    else if (errno != EINTR) FAIL_ZMQ(what);
    return true;
}

static void link_send(const uint8_t *bytes, size_t size_bytes) {
    while (again(zmq_send(sock, bytes, size_bytes, flags), "zmq_send")) {}
}

static void link_flush(void) {}

static const uint8_t *link_receive(uint8_t *own, size_t size_bytes) {
    int came;
    do came = zmq_recv(sock, own, size_bytes, flags);
    while (again(came, "zmq_recv"));
    if ((size_t)came != size_bytes) FAIL("a message of %d bytes", came);
    return own;
}
