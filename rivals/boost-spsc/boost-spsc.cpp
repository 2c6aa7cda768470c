//! boost-spsc: Boost.Lockfree's queue for one producer and one consumer, in memory that two processes share.
//!
//! The queue's capacity is part of its type, so it has no pointers and may lie in shared memory. A message is an element
//! of it, pushed from a buffer and popped into one, each by itself. It has no way of sleeping: it is polled.

#include "../guest.h"
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

static About about(void) {
    About us = {"boost-spsc", "boost " BOOST_LIB_VERSION ", guest 1", {"shm"}, {"ping-pong", "stream"}, {"spin"}, NULL};
    return us;
}

template <size_t SIZE> struct alignas(SIZE < 64 ? SIZE : 64) Message {
    uint8_t bytes[SIZE];
};

/// 64 bytes in 1024 slots; fewer slots of larger ones.
template <size_t SIZE>
using Queue = boost::lockfree::spsc_queue<Message<SIZE>,
                                          boost::lockfree::capacity<(SIZE < 8192 ? 64 * 1024 / SIZE : 8)>>;

/// One way there and one back; this side's out and in.
static void *queues[2], *out, *in;
/// For the job's size.
static void (*push_message)(const uint8_t *bytes);
static void (*pop_message)(uint8_t *bytes);

template <size_t SIZE> static void push(const uint8_t *bytes) {
    const Message<SIZE> *message = reinterpret_cast<const Message<SIZE> *>(bytes);
    while (!static_cast<Queue<SIZE> *>(out)->push(*message)) not_yet_in_memory();
}

template <size_t SIZE> static void pop(uint8_t *bytes) {
    Message<SIZE> *message = reinterpret_cast<Message<SIZE> *>(bytes);
    while (!static_cast<Queue<SIZE> *>(in)->pop(*message)) not_yet_in_memory();
}

template <size_t SIZE> static void make_queues(void) {
    for (int way = 0; way < 2; way++) {
        void *memory = mmap(NULL, sizeof(Queue<SIZE>), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) FAIL_ERRNO("shared memory");
        queues[way] = new (memory) Queue<SIZE>();
    }
    push_message = push<SIZE>;
    pop_message = pop<SIZE>;
}

template <size_t SIZE> static void make_queues_for(size_t size_bytes) {
    if (size_bytes == SIZE) return make_queues<SIZE>();
    if constexpr (SIZE < 65536) return make_queues_for<SIZE * 2>(size_bytes);
    static const char *const SIZES[] = {"8 to 65536 bytes", "a power of two", NULL};
    unsupported("size", "of another type", SIZES);
}

static void link_prepare(const Job *job) { make_queues_for<8>(job->size_bytes); }

static void link_open(const Job *, int side, int) {
    out = queues[side];
    in = queues[1 - side];
}

static void link_close(void) {} // the memory ends with the processes

static uint8_t *link_loan(uint8_t *own, size_t) { return own; }

static void link_send(const uint8_t *bytes, size_t) { push_message(bytes); }

static void link_flush(void) {}

static const uint8_t *link_receive(uint8_t *own, size_t) {
    pop_message(own);
    return own;
}
