//! A way between two processes that is nothing but file descriptors: two pipes, a Unix socket or TCP over
//! loopback, and read(2) and write(2) on them. Shared by the plain guests.

#ifndef RIVALS_KERNEL_H
#define RIVALS_KERNEL_H

#include "../guest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/// What one process reads from and writes to; one fd twice where the mechanism goes both ways.
typedef struct {
    int in, out;
} Side;

static inline void connect_pipes(Side sides[2]) {
    int there[2], back[2];
    if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) FAIL_ERRNO("pipe2");
    sides[0] = (Side){.in = back[0], .out = there[1]};
    sides[1] = (Side){.in = there[0], .out = back[1]};
}

static inline void connect_unix(Side sides[2]) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) FAIL_ERRNO("socketpair");
    sides[0] = (Side){fds[0], fds[0]};
    sides[1] = (Side){fds[1], fds[1]};
}

static inline void connect_tcp(Side sides[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in ours, theirs;
    socklen_t length = sizeof address, ours_length = sizeof ours, theirs_length = sizeof theirs;
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || near < 0) FAIL_ERRNO("socket");
    if (bind(listener, (struct sockaddr *)&address, length) != 0) FAIL_ERRNO("bind");
    if (listen(listener, 1) != 0) FAIL_ERRNO("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0) FAIL_ERRNO("getsockname");
    if (connect(near, (struct sockaddr *)&address, length) != 0) FAIL_ERRNO("connect");
    if (getsockname(near, (struct sockaddr *)&ours, &ours_length) != 0) FAIL_ERRNO("getsockname");
    int far = accept4(listener, (struct sockaddr *)&theirs, &theirs_length, SOCK_CLOEXEC);
    if (far < 0) FAIL_ERRNO("accept4");
    if (theirs.sin_port != ours.sin_port) FAIL("another program connected first");
    close(listener);
    if (setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
        FAIL_ERRNO("TCP_NODELAY");
    }
    sides[0] = (Side){near, near};
    sides[1] = (Side){far, far};
}

static inline void close_side(Side side) {
    close(side.in);
    if (side.out != side.in) close(side.out);
}

static inline void make_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) FAIL_ERRNO("fcntl");
}

/// In `link_open`: keeps one side, and makes it ready for the job's way of waiting.
static inline Side take_side(const Job *job, Side sides[2], int side) {
    close_side(sides[1 - side]);
    if (job->spin) {
        make_nonblocking(sides[side].in);
        make_nonblocking(sides[side].out);
    }
    return sides[side];
}

/// Connects by the job's kind.
static inline void connect_sides(const Job *job, Side sides[2]) {
    if (strcmp(job->kind, "pipe") == 0) connect_pipes(sides);
    else if (strcmp(job->kind, "unix") == 0) connect_unix(sides);
    else connect_tcp(sides);
}

// A blocking fd sleeps in the kernel; a non-blocking one answers EAGAIN and is asked again at once. That is the
// whole difference between `block` and `spin`.

static inline void write_all(int fd, const uint8_t *bytes, size_t size_bytes) {
    while (size_bytes > 0) {
        ssize_t sent = write(fd, bytes, size_bytes);
        if (sent >= 0) {
            bytes += sent;
            size_bytes -= (size_t)sent;
        } else if (errno == EAGAIN) {
            not_yet();
        } else if (errno == EPIPE || errno == ECONNRESET) {
            lost_peer();
        } else if (errno != EINTR) {
            FAIL_ERRNO("write");
        }
    }
}

/// What one read(2) gives, once it gives something.
static inline size_t read_some(int fd, uint8_t *bytes, size_t room_bytes) {
    for (;;) {
        ssize_t got = read(fd, bytes, room_bytes);
        if (got > 0) return (size_t)got;
        if (got == 0 || errno == ECONNRESET) lost_peer();
        if (errno == EAGAIN) not_yet();
        else if (errno != EINTR) FAIL_ERRNO("read");
    }
}

static inline void read_all(int fd, uint8_t *bytes, size_t size_bytes) {
    while (size_bytes > 0) {
        size_t got = read_some(fd, bytes, size_bytes);
        bytes += got;
        size_bytes -= got;
    }
}

#endif
