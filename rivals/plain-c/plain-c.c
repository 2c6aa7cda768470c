//! plain-c: what the same exchange costs in a plain C program.
//!
//! Two processes, each on its core, pass messages of a fixed size through a pipe, a Unix socket or TCP by
//! nothing but read(2) and write(2). There is no frame header, no library and no layer between the loop and
//! the kernel, so whatever ipcscope's channels cost above this is ipcscope's own doing.
//!
//! Read from the bottom up for the story of a run (`main`), from the top down for its parts:
//! the job, the message, the clock, the processes, the loops, the result. The protocol is ../README.md.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { JOB_LIMIT_BYTES = 4096, SIZE_LIMIT_BYTES = 16 << 20 };

/// More than anybody waits for; two of them still add up.
static const uint64_t MESSAGES_LIMIT = UINT64_C(1000000000000);

/// A sample of 8 bytes is kept for each round trip, so memory bounds their number.
static const uint64_t ROUND_TRIPS_LIMIT = 100000000;

// ---- ending -------------------------------------------------------------------------------------

enum { EXIT_FAILED_RUN = 1, EXIT_BAD_JOB = 2 };

/// The second process, as the first one sees it; 0 where there is none.
static pid_t responder = 0;

/// Says why on one line, takes the second process down and ends.
__attribute__((noreturn, format(printf, 2, 3))) static void end(int status, const char *format, ...) {
    char why[512];
    va_list rest;
    va_start(rest, format);
    vsnprintf(why, sizeof why, format, rest);
    va_end(rest);
    fprintf(stderr, "plain-c: %s\n", why);
    if (responder > 0) {
        kill(responder, SIGKILL);
        while (waitpid(responder, NULL, 0) < 0 && errno == EINTR) {}
    }
    _exit(status);
}

#define FAIL(...) end(EXIT_FAILED_RUN, __VA_ARGS__)
#define FAIL_ERRNO(what) end(EXIT_FAILED_RUN, "%s: %s", (what), strerror(errno))

/// The other process is gone. Where it has already said why, that line stands alone.
__attribute__((noreturn)) static void lost_peer(void) {
    int status = 0;
    if (responder == 0) FAIL("the first process is gone");
    while (waitpid(responder, &status, 0) < 0) {
        if (errno != EINTR) FAIL_ERRNO("waitpid");
    }
    responder = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILED_RUN) _exit(EXIT_FAILED_RUN);
    if (WIFSIGNALED(status)) FAIL("the second process was killed by signal %d", WTERMSIG(status));
    FAIL("the second process ended early");
}

// ---- the job ------------------------------------------------------------------------------------

/// A word of the job: as long as any known one needs, and no character that JSON would escape.
typedef char Word[32];

typedef struct {
    Word kind, workload, wait;
    uint32_t size_bytes;
    uint64_t messages, warmup;
    bool pinned;
    int cores[2];
    bool tsc;
    double ns_per_tick;
} Job;

typedef struct {
    const char *start, *at, *end;
} Text;

#define BAD_JOB(text, expected) \
    end(EXIT_BAD_JOB, "job, byte %zu: expected %s", (size_t)((text)->at - (text)->start), (expected))

static void skip_space(Text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t' || *text->at == '\r')) text->at++;
}

/// Takes `mark` if it is the next thing in the text.
static bool take_if(Text *text, const char *mark) {
    size_t length = strlen(mark);
    skip_space(text);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, mark, length) != 0) return false;
    text->at += length;
    return true;
}

static void take(Text *text, const char *mark) {
    if (!take_if(text, mark)) BAD_JOB(text, mark);
}

static void take_word(Text *text, Word word) {
    size_t length = 0;
    take(text, "\"");
    while (text->at < text->end && *text->at != '"') {
        char c = *text->at;
        bool plain = c >= ' ' && c <= '~' && c != '\\';
        if (!plain || length + 1 >= sizeof(Word)) BAD_JOB(text, "a short plain word");
        word[length++] = c;
        text->at++;
    }
    word[length] = '\0';
    take(text, "\"");
}

static uint64_t take_integer(Text *text, uint64_t least, uint64_t most) {
    uint64_t value = 0;
    skip_space(text);
    if (text->at == text->end || *text->at < '0' || *text->at > '9') BAD_JOB(text, "an integer");
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        if (value > (UINT64_MAX - 9) / 10) BAD_JOB(text, "an integer of 64 bits");
        value = value * 10 + (uint64_t)(*text->at - '0');
    }
    if (value < least || value > most) {
        end(EXIT_BAD_JOB, "job, byte %zu: %" PRIu64 " is out of range: %" PRIu64 " to %" PRIu64,
            (size_t)(text->at - text->start), value, least, most);
    }
    return value;
}

static double take_positive_number(Text *text) {
    char digits[64], *rest;
    size_t length = 0;
    skip_space(text);
    while (text->at < text->end && *text->at != '\0' && strchr("0123456789.eE+-", *text->at) != NULL) {
        if (length + 1 >= sizeof digits) BAD_JOB(text, "a shorter number");
        digits[length++] = *text->at++;
    }
    digits[length] = '\0';
    double value = strtod(digits, &rest);
    if (length == 0 || *rest != '\0' || !(value > 0.0 && value <= 1e9)) BAD_JOB(text, "a number above 0");
    return value;
}

static void take_cores(Text *text, Job *job) {
    if (take_if(text, "null")) return;
    job->pinned = true;
    take(text, "[");
    job->cores[0] = (int)take_integer(text, 0, CPU_SETSIZE - 1);
    take(text, ",");
    job->cores[1] = (int)take_integer(text, 0, CPU_SETSIZE - 1);
    take(text, "]");
}

static void take_clock(Text *text, Job *job) {
    if (take_if(text, "\"monotonic\"")) {
        job->ns_per_tick = 1.0;
        return;
    }
    job->tsc = true;
    take(text, "{");
    take(text, "\"tsc\"");
    take(text, ":");
    take(text, "{");
    take(text, "\"ns_per_tick\"");
    take(text, ":");
    job->ns_per_tick = take_positive_number(text);
    take(text, "}");
    take(text, "}");
}

/// Reads the job. A key that is not known is refused: it could change what the job means.
static Job parse_job(const char *line, size_t length) {
    static const char *const KEYS[] = {"kind",   "workload", "size_bytes", "messages",
                                       "warmup", "cores",    "wait",       "clock"};
    enum { KEY_COUNT = sizeof KEYS / sizeof KEYS[0] };
    Text text = {line, line, line + length};
    Job job = {0};
    bool seen[KEY_COUNT] = {false};

    take(&text, "{");
    do {
        Word key;
        size_t k = 0;
        take_word(&text, key);
        while (k < KEY_COUNT && strcmp(key, KEYS[k]) != 0) k++;
        if (k == KEY_COUNT) end(EXIT_BAD_JOB, "job: unknown key `%s`", key);
        if (seen[k]) end(EXIT_BAD_JOB, "job: key `%s` appears twice", key);
        seen[k] = true;
        take(&text, ":");
        switch (k) {
        case 0: take_word(&text, job.kind); break;
        case 1: take_word(&text, job.workload); break;
        case 2: job.size_bytes = (uint32_t)take_integer(&text, 1, SIZE_LIMIT_BYTES); break;
        case 3: job.messages = take_integer(&text, 1, MESSAGES_LIMIT); break;
        case 4: job.warmup = take_integer(&text, 0, MESSAGES_LIMIT); break;
        case 5: take_cores(&text, &job); break;
        case 6: take_word(&text, job.wait); break;
        case 7: take_clock(&text, &job); break;
        }
    } while (take_if(&text, ","));
    take(&text, "}");
    skip_space(&text);
    if (text.at != text.end) BAD_JOB(&text, "the end of the line");
    for (size_t k = 0; k < KEY_COUNT; k++) {
        if (!seen[k]) end(EXIT_BAD_JOB, "job: key `%s` is missing", KEYS[k]);
    }
    return job;
}

static Job read_job(void) {
    char line[JOB_LIMIT_BYTES];
    size_t length = 0;
    for (;;) {
        if (length == sizeof line) end(EXIT_BAD_JOB, "job: longer than %d bytes", JOB_LIMIT_BYTES);
        ssize_t got = read(STDIN_FILENO, line + length, sizeof line - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) end(EXIT_BAD_JOB, "job: %s", strerror(errno));
        if (got == 0) break;
        char *newline = memchr(line + length, '\n', (size_t)got);
        length += (size_t)got;
        if (newline != NULL) {
            length = (size_t)(newline - line);
            break;
        }
    }
    return parse_job(line, length);
}

// ---- the message --------------------------------------------------------------------------------

/// Word `i` of message `sequence`. The first says which message it is, the second is 0, the rest is a pattern
/// that no other message shares.
static uint64_t message_word(uint64_t sequence, uint64_t i) {
    if (i == 0) return sequence;
    if (i == 1) return 0;
    return sequence * UINT64_C(0x9E3779B97F4A7C15) + i;
}

/// Words are little-endian; a last word that is not whole keeps its low bytes.
static void make_message(uint8_t *bytes, size_t size_bytes, uint64_t sequence) {
    size_t words = size_bytes / 8, rest = size_bytes % 8;
    for (size_t i = 0; i < words; i++) {
        uint64_t word = htole64(message_word(sequence, i));
        memcpy(bytes + i * 8, &word, 8);
    }
    if (rest > 0) {
        uint64_t word = htole64(message_word(sequence, words));
        memcpy(bytes + words * 8, &word, rest);
    }
}

/// Ends the run if any byte differs from message `sequence`.
static void verify_message(const uint8_t *bytes, size_t size_bytes, uint64_t sequence) {
    for (size_t i = 0; i * 8 < size_bytes; i++) {
        size_t width = size_bytes - i * 8 < 8 ? size_bytes - i * 8 : 8;
        uint64_t right = htole64(message_word(sequence, i));
        if (width == 8) { // a copy of known width is a single load
            uint64_t word;
            memcpy(&word, bytes + i * 8, 8);
            if (word == right) continue;
        } else if (memcmp(bytes + i * 8, &right, width) == 0) {
            continue;
        }
        FAIL("message %" PRIu64 " is not what was sent, from byte %zu on", sequence, i * 8);
    }
}

// ---- the clock ----------------------------------------------------------------------------------

static bool clock_is_tsc = false;

/// The time in ticks of the job's clock; both processes read the same one.
static inline uint64_t now_ticks(void) {
#if defined(__x86_64__)
    if (clock_is_tsc) return __rdtsc();
#endif
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/// From `start` to `stop`; the clocks of two cores that disagree end the run.
static uint64_t ticks_between(uint64_t start, uint64_t stop) {
    if (stop < start) FAIL("the clock went backwards by %" PRIu64 " ticks", start - stop);
    return stop - start;
}

/// Rounded to the nearest nanosecond.
static uint64_t to_ns(uint64_t ticks, double ns_per_tick) {
    return (uint64_t)((double)ticks * ns_per_tick + 0.5);
}

// ---- the two processes --------------------------------------------------------------------------

/// What one process reads from and writes to; one fd twice where the mechanism goes both ways.
typedef struct {
    int in, out;
} Side;

/// Dies with whoever started it, and by Ctrl-C or SIGTERM even if that one ignored them.
static void die_with_parent(pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN); // a lost peer is an error of write(2), which gets a line of its own
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) FAIL_ERRNO("prctl");
    if (getppid() != parent) _exit(EXIT_FAILED_RUN); // it died before the line above
}

/// Pins this process to one core and reads back that it sits there.
static void pin(int core) {
    cpu_set_t wanted, got;
    CPU_ZERO(&wanted);
    CPU_SET((unsigned)core, &wanted);
    if (sched_setaffinity(0, sizeof wanted, &wanted) != 0) FAIL("core %d: %s", core, strerror(errno));
    if (sched_getaffinity(0, sizeof got, &got) != 0) FAIL_ERRNO("sched_getaffinity");
    if (!CPU_EQUAL(&wanted, &got) || sched_getcpu() != core) FAIL("core %d: pinned, but not there", core);
}

/// Whether the two processes have but one core between them, so that polling keeps the other from running.
static bool share_one_core(const Job *job) {
    cpu_set_t allowed;
    if (job->pinned) return job->cores[0] == job->cores[1];
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) == 1;
}

static void connect_pipes(Side sides[2]) {
    int there[2], back[2];
    if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) FAIL_ERRNO("pipe2");
    sides[0] = (Side){.in = back[0], .out = there[1]};
    sides[1] = (Side){.in = there[0], .out = back[1]};
}

static void connect_unix(Side sides[2]) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) FAIL_ERRNO("socketpair");
    sides[0] = (Side){fds[0], fds[0]};
    sides[1] = (Side){fds[1], fds[1]};
}

static void connect_tcp(Side sides[2]) {
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

static void close_side(Side side) {
    close(side.in);
    if (side.out != side.in) close(side.out);
}

static void make_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) FAIL_ERRNO("fcntl");
}

// ---- the loops ----------------------------------------------------------------------------------
// A blocking fd sleeps in the kernel; a non-blocking one answers EAGAIN and is asked again at once. That is
// the whole difference between `block` and `spin`, so both share these loops.

static bool yield_when_empty = false;

static inline void not_yet(void) {
    if (yield_when_empty) sched_yield();
}

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

static inline void read_all(int fd, uint8_t *bytes, size_t size_bytes) {
    while (size_bytes > 0) {
        ssize_t got = read(fd, bytes, size_bytes);
        if (got > 0) {
            bytes += got;
            size_bytes -= (size_t)got;
        } else if (got == 0 || errno == ECONNRESET) {
            lost_peer();
        } else if (errno == EAGAIN) {
            not_yet();
        } else if (errno != EINTR) {
            FAIL_ERRNO("read");
        }
    }
}

/// What the second process tells the first: how many messages were right, and when the last one was.
typedef struct {
    uint64_t verified, last_ticks;
} Report;

static uint8_t *new_buffer(size_t size_bytes) {
    uint8_t *buffer = aligned_alloc(64, (size_bytes + 63) / 64 * 64);
    if (buffer == NULL) FAIL_ERRNO("a message's buffer");
    memset(buffer, 0xff, size_bytes); // touched here, so that the first message does not fault it in
    return buffer;
}

static uint64_t *new_samples(uint64_t count) {
    void *samples = mmap(NULL, count * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (samples == MAP_FAILED) FAIL_ERRNO("room for the samples");
    return samples;
}

static void round_trip(Side side, uint8_t *buffer, size_t size_bytes, uint64_t sequence) {
    make_message(buffer, size_bytes, sequence);
    write_all(side.out, buffer, size_bytes);
    read_all(side.in, buffer, size_bytes);
    verify_message(buffer, size_bytes, sequence);
}

/// Times every round trip; one clock read ends one and starts the next. Returns the whole in ticks.
static uint64_t ping(const Job *job, Side side, uint64_t *samples) {
    uint8_t *buffer = new_buffer(job->size_bytes);
    uint64_t sequence = 0;
    while (sequence < job->warmup) round_trip(side, buffer, job->size_bytes, sequence++);
    uint64_t first = now_ticks(), last = first;
    for (uint64_t i = 0; i < job->messages; i++) {
        round_trip(side, buffer, job->size_bytes, sequence++);
        uint64_t stamp = now_ticks();
        samples[i] = stamp - last;
        last = stamp;
    }
    for (uint64_t i = 0; i < job->messages; i++) {
        if (samples[i] > INT64_MAX) FAIL("the clock went backwards in round trip %" PRIu64, i);
    }
    free(buffer);
    return ticks_between(first, last);
}

/// Sends back what it has verified.
static Report pong(const Job *job, Side side) {
    uint8_t *buffer = new_buffer(job->size_bytes);
    uint64_t sequence = 0, last = job->warmup + job->messages;
    for (; sequence < last; sequence++) {
        read_all(side.in, buffer, job->size_bytes);
        verify_message(buffer, job->size_bytes, sequence);
        write_all(side.out, buffer, job->size_bytes);
    }
    Report report = {.verified = sequence, .last_ticks = now_ticks()};
    free(buffer);
    return report;
}

/// Sends one message after the other, each by its own write. Returns when the first timed one left, in ticks.
static uint64_t pour(const Job *job, Side side, int news) {
    uint8_t *buffer = new_buffer(job->size_bytes), warm;
    uint64_t sequence = 0, first;
    for (; sequence < job->warmup; sequence++) {
        make_message(buffer, job->size_bytes, sequence);
        write_all(side.out, buffer, job->size_bytes);
    }
    read_all(news, &warm, 1); // nothing of the warm-up is left on the way
    first = now_ticks();
    for (; sequence < job->warmup + job->messages; sequence++) {
        make_message(buffer, job->size_bytes, sequence);
        write_all(side.out, buffer, job->size_bytes);
    }
    free(buffer);
    return first;
}

/// Takes and verifies every message.
static Report drain(const Job *job, Side side, int news) {
    uint8_t *buffer = new_buffer(job->size_bytes), warm = 1;
    uint64_t sequence = 0, last = job->warmup + job->messages;
    for (; sequence < last; sequence++) {
        if (sequence == job->warmup) write_all(news, &warm, 1);
        read_all(side.in, buffer, job->size_bytes);
        verify_message(buffer, job->size_bytes, sequence);
    }
    Report report = {.verified = sequence, .last_ticks = now_ticks()};
    free(buffer);
    return report;
}

/// The life of the second process. `news` carries one byte when it stands ready, one when a stream's warm-up
/// is over, and its report.
__attribute__((noreturn)) static void respond(const Job *job, Side side, int news, bool stream) {
    uint8_t ready = 1;
    if (job->pinned) pin(job->cores[1]);
    write_all(news, &ready, 1);
    Report report = stream ? drain(job, side, news) : pong(job, side);
    write_all(news, (const uint8_t *)&report, sizeof report);
    _exit(0);
}

// ---- the result ---------------------------------------------------------------------------------

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/// Prints the result line; `samples` are round trips in ticks, and NULL for a stream.
static void print_result(const Job *job, uint64_t verified, uint64_t elapsed_ns, uint64_t *samples) {
    printf("{\"name\":\"plain-c\",\"version\":\"1\",\"messages\":%" PRIu64 ",\"verified\":%" PRIu64
           ",\"elapsed_ns\":%" PRIu64 ",\"latency_ns\":[",
           job->messages, verified, elapsed_ns);
    if (samples != NULL) {
        for (uint64_t i = 0; i < job->messages; i++) samples[i] = to_ns(samples[i], job->ns_per_tick / 2);
        qsort(samples, job->messages, sizeof *samples, by_value);
        for (uint64_t i = 0, run; i < job->messages; i += run) {
            for (run = 1; i + run < job->messages && samples[i + run] == samples[i]; run++) {}
            printf("%s[%" PRIu64 ",%" PRIu64 "]", i > 0 ? "," : "", samples[i], run);
        }
    }
    printf("]}\n");
    if (fflush(stdout) != 0) FAIL_ERRNO("stdout");
}

static int unsupported(const char *what, const char *word, const char *instead) {
    printf("{\"unsupported\":\"%s %s: plain-c knows %s\"}\n", what, word, instead);
    if (fflush(stdout) != 0) FAIL_ERRNO("stdout");
    return 0;
}

static int run(const Job *job) {
    bool stream = strcmp(job->workload, "stream") == 0, spin = strcmp(job->wait, "spin") == 0;
    Side sides[2];
    int news[2];

    if (!stream && strcmp(job->workload, "ping-pong") != 0) {
        return unsupported("workload", job->workload, "ping-pong and stream");
    }
    if (!spin && strcmp(job->wait, "block") != 0) return unsupported("wait", job->wait, "block and spin");
    if (!stream && job->messages > ROUND_TRIPS_LIMIT) {
        return unsupported("messages", "too many", "at most 100000000 round trips");
    }
#if !defined(__x86_64__)
    if (job->tsc) return unsupported("clock", "tsc", "monotonic on this processor");
#endif
    if (strcmp(job->kind, "pipe") == 0) connect_pipes(sides);
    else if (strcmp(job->kind, "unix") == 0) connect_unix(sides);
    else if (strcmp(job->kind, "tcp") == 0) connect_tcp(sides);
    else return unsupported("kind", job->kind, "pipe, unix and tcp");

    if (pipe2(news, O_CLOEXEC) != 0) FAIL_ERRNO("pipe2");
    clock_is_tsc = job->tsc;
    if (spin) {
        for (int i = 0; i < 2; i++) {
            make_nonblocking(sides[i].in);
            make_nonblocking(sides[i].out);
        }
        yield_when_empty = share_one_core(job);
    }

    pid_t self = getpid(), forked = fork();
    if (forked < 0) FAIL_ERRNO("fork");
    if (forked == 0) {
        die_with_parent(self);
        close_side(sides[0]);
        close(news[0]);
        respond(job, sides[1], news[1], stream);
    }
    responder = forked;
    close_side(sides[1]);
    close(news[1]);

    uint8_t ready;
    uint64_t *samples = NULL, first_ticks = 0, elapsed_ticks = 0;
    Report report;
    if (job->pinned) pin(job->cores[0]);
    if (!stream) samples = new_samples(job->messages);
    read_all(news[0], &ready, 1);
    if (stream) first_ticks = pour(job, sides[0], news[0]);
    else elapsed_ticks = ping(job, sides[0], samples);
    read_all(news[0], (uint8_t *)&report, sizeof report);
    if (stream) elapsed_ticks = ticks_between(first_ticks, report.last_ticks);

    int status = 0;
    while (waitpid(responder, &status, 0) < 0) {
        if (errno != EINTR) FAIL_ERRNO("waitpid");
    }
    responder = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) FAIL("the second process did not end well");
    if (report.verified != job->warmup + job->messages) FAIL("only %" PRIu64 " verified", report.verified);
    print_result(job, report.verified - job->warmup, to_ns(elapsed_ticks, job->ns_per_tick), samples);
    return 0;
}

int main(int count, char **arguments) {
    die_with_parent(getppid());
    if (count == 2 && strcmp(arguments[1], "--describe") == 0) {
        printf("{\"name\":\"plain-c\",\"version\":\"1\",\"kinds\":[\"pipe\",\"unix\",\"tcp\"],"
               "\"workloads\":[\"ping-pong\",\"stream\"],\"waits\":[\"block\",\"spin\"]}\n");
        if (fflush(stdout) != 0) FAIL_ERRNO("stdout");
        return 0;
    }
    if (count != 1) end(EXIT_BAD_JOB, "usage: plain-c [--describe] < job");
    Job job = read_job();
    return run(&job);
}
