//! nng: a pair of sockets over a Unix socket (`ipc://`) or TCP.
//!
//! The library's threads do all reading and writing. They sit on the core of their process, because it is there that
//! the job places it; a side that spins gives them the core between polls.

#include "../guest.h"
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

static About about(void) {
    return (About){
        .name = "nng",
        .version = "nng 1.5, guest 1",
        .kinds = {"unix", "tcp"},
        .workloads = {"ping-pong", "stream"},
        .waits = {"block", "spin"},
        .note = "threads of the library's own on each side's core",
    };
}

/// Messages that may wait at each end; the library allows 8192.
enum { BUFFER_MESSAGES = 1024, ADDRESS_BYTES = 128 };

static nng_socket sock;
static int flags;

static void must(int status, const char *what) {
    if (status != 0) FAIL("%s: %s", what, nng_strerror(status));
}

static void link_prepare(const Job *job) { (void)job; }

/// The first side listens, and tells the second one where.
static void link_open(const Job *job, int side, int news) {
    char address[ADDRESS_BYTES] = {0};
    must(nng_pair0_open(&sock), "nng_pair0_open");
    must(nng_socket_set_int(sock, NNG_OPT_SENDBUF, BUFFER_MESSAGES), NNG_OPT_SENDBUF);
    must(nng_socket_set_int(sock, NNG_OPT_RECVBUF, BUFFER_MESSAGES), NNG_OPT_RECVBUF);
    must(nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, 0), NNG_OPT_RECVMAXSZ);
    if (side == 0) {
        nng_listener listener;
        if (strcmp(job->kind, "tcp") == 0) {
            int port = 0;
            must(nng_listener_create(&listener, sock, "tcp://127.0.0.1:0"), "nng_listener_create");
            must(nng_listener_start(listener, 0), "nng_listener_start");
            must(nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), NNG_OPT_TCP_BOUND_PORT);
            snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
        } else {
            snprintf(address, sizeof address, "abstract://ipcscope-rival-%d", (int)getpid());
            must(nng_listen(sock, address, NULL, 0), "nng_listen");
        }
        say(news, address, sizeof address);
    } else {
        hear(news, address, sizeof address);
        must(nng_dial(sock, address, NULL, 0), "nng_dial");
    }
    flags = job->spin ? NNG_FLAG_NONBLOCK : 0;
    yield_when_empty = true; // to the library's threads
}

static void link_close(void) { nng_close(sock); }

static uint8_t *link_loan(uint8_t *own, size_t size_bytes) {
    (void)size_bytes;
    return own;
}

/// Whether a call that returned `status` is to be made again.
static bool again(int status, const char *what) {
    if (status == NNG_EAGAIN) not_yet();
    else must(status, what);
    return status == NNG_EAGAIN;
}

static void link_send(const uint8_t *bytes, size_t size_bytes) {
    // Not to be const: the library's own word for "copied from here".
    while (again(nng_send(sock, (void *)bytes, size_bytes, flags), "nng_send")) {}
}

static void link_flush(void) {}

static const uint8_t *link_receive(uint8_t *own, size_t size_bytes) {
    size_t came = size_bytes;
    while (again(nng_recv(sock, own, &came, flags), "nng_recv")) came = size_bytes;
    if (came != size_bytes) FAIL("a message of %zu bytes", came);
    return own;
}
