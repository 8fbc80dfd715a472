/// Faults of the driver below a WebGPU implementation, by the Vulkan layer of tests/vulkan: memory that runs out in any
/// call, and devices that are lost in earnest. Whatever the implementation makes of it, the library reports NOMEM or
/// LOST, recovers, and then computes the same bits. What wgpu-native answers with the end of the process is shown to do
/// so, in a process of its own: should that change, docs/faults.md has to.
#include "fault_rig.h"
#include "layer_rig.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { Y = FAULT_T * FAULT_WIDTH, NO_DEVICE_MEMORY = -2, NO_HOST_MEMORY = -1, DEVICE_LOST = -4 };
#define BIG ((uint64_t)96 << 20) ///< more than implementations allocate at once for small buffers

static weft_device *device;
static struct fault_weights weights;
static bool dawn;
static struct layer layer;

static weft_program *program;
static weft_session *bystander;
static float want[Y];

static void goes_on(void) {
    float y[Y];
    fault_must(fault_feed(bystander, "y", 5, y));
    assert_memory_equal(y, want, sizeof y);
}

/// After a fault: recovers what was lost, and all is as it was. True if something was. wgpu-native tells of a loss only
/// when it is asked for something.
static bool mended(void) {
    struct weft_recovery r;
    weft_status status = weft_gpu_wait_idle(device);
    if (status == WEFT_OK) status = fault_feed(bystander, "y", 5, NULL);
    bool lost = status != WEFT_OK;
    if (lost) {
        fault_is(status, WEFT_ERR_LOST, "");
        fault_must(weft_device_recover(device, &r));
        assert_int_equal(r.programs, 1);
        fault_must(weft_session_reset(bystander));
    }
    goes_on();
    return lost;
}

// ---- memory --------------------------------------------------------------------------------------------------------

/// A buffer that the driver has no memory for is refused, and nothing else happens.
static void test_device_memory(void **state) {
    (void)state;
    weft_buf big;
    static const char *const calls[] = {"AllocateMemory", "CreateBuffer"};
    for (size_t i = 0; i < 2; i++) {
        uint64_t size = BIG, most = weft_gpu_caps(device)->max_buffer;
        bool seen = false;
        weft_status status = WEFT_OK;
        for (; !seen && size <= most && size <= BIG * 16; size *= 2) { // a small one may come from a larger block
            layer.arm(calls[i], 1, 0, NO_DEVICE_MEMORY);
            status = weft_buf_create(device, size, WEFT_BUF_STORAGE, "big", &big);
            seen = layer.seen() > 0;
            layer.arm(NULL, 0, 0, 0);
            if (status == WEFT_OK) weft_buf_release(device, &big);
        }
        assert_true(seen);
        fault_is(status, WEFT_ERR_NOMEM, "big");
        assert_int_equal(big.id, 0);
        assert_false(mended());
        fault_must(weft_buf_create(device, BIG, WEFT_BUF_STORAGE, "big", &big));
        weft_buf_release(device, &big);
    }
}

/// A session's whole life.
static weft_status life(void) {
    weft_session *s;
    float y[Y];
    weft_status status = weft_session_create(program, NULL, &s);
    if (status == WEFT_OK) status = fault_feed(s, "y", 5, y);
    if (status == WEFT_OK) assert_memory_equal(y, want, sizeof y);
    weft_session_destroy(&s);
    return status;
}

/// The n-th of a kind of call fails in a session's life, for the first few n; the life's end says NOMEM or LOST.
static int fail_each(const char *call, int result, int most) {
    int failures = 0;
    for (int n = 1; n <= most; n++) {
        layer.arm(call, (uint64_t)n, 1, result);
        weft_status status = life();
        bool hit = layer.seen() >= (uint64_t)n;
        layer.arm(NULL, 0, 0, 0);
        if (status != WEFT_OK && status != WEFT_ERR_NOMEM && status != WEFT_ERR_LOST)
            fail_msg("%s %d: %s: %s", call, n, weft_status_name(status), weft_error_message());
        bool lost = mended();
        print_message("%-22s %d -> %2d: %s%s\n", call, n, result, hit ? weft_status_name(status) : "not called",
                      lost ? ", device lost and recovered" : "");
        failures += status != WEFT_OK || lost;
        if (!hit) break;
    }
    return failures;
}

static void memory_in_a_session(void) {
    static const char *const calls[] = {"AllocateMemory", "CreateBuffer", "CreateDescriptorPool",
                                        "AllocateDescriptorSets", "AllocateCommandBuffers"};
    int failures = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) failures += fail_each(calls[i], NO_DEVICE_MEMORY, 4);
    assert_true(failures > 0);
    failures = fail_each("CreateBuffer", NO_HOST_MEMORY, 2);
    assert_true(failures > 0);
}

/// Runs this program again, for one part of it only. Its wait status.
static int part_of_its_own(const char *part) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("WEFT_TEST_PART", part, 1);
        execl("/proc/self/exe", "part", (char *)NULL);
        _exit(2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/// wgpu-native ends the process when a submit finds no memory, and which allocation happens in a submit depends on the
/// moment. So there it has processes of its own, of which one has to get through; none may fail otherwise.
static void test_memory_in_a_session(void **state) {
    (void)state;
    if (dawn) {
        memory_in_a_session();
        return;
    }
    for (int tries = 1;; tries++) {
        int status = part_of_its_own("memory");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
        if (WIFEXITED(status) || tries == 8) fail_msg("process %d ended with status %x", tries, (unsigned)status);
    }
}

static void run_memory(void **state) {
    (void)state;
    memory_in_a_session();
}

static int memory_part(void) {
    const struct CMUnitTest tests[] = {{"memory_in_a_session", run_memory, NULL, NULL, NULL}};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/// A pipeline that there is no memory for: compiling fails, the device lives or comes back.
static void test_memory_in_a_pipeline(void **state) {
    (void)state;
    static const char *const calls[] = {"CreateShaderModule", "CreateComputePipelines"};
    for (size_t i = 0; i < 2; i++) {
        struct weft_pipeline_desc d = {
            .label = calls[i], .n_bindings = 1, .kinds = {WEFT_BIND_READ_WRITE}, .workgroup = {1, 1, 1}};
        char wgsl[200];
        weft_pipeline p;
        snprintf(wgsl, sizeof wgsl,
                 "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
                 "@compute @workgroup_size(1) fn main() { y[0] += %uu; }\n",
                 (unsigned)i + 77);
        d.wgsl = wgsl;
        layer.arm(calls[i], 1, 0, NO_DEVICE_MEMORY);
        weft_status status = weft_pipeline_get(device, &d, &p);
        bool hit = layer.seen() > 0;
        layer.arm(NULL, 0, 0, 0);
        if (hit && status != WEFT_ERR_NOMEM) fault_is(status, WEFT_ERR_LOST, calls[i]);
        bool lost = mended();
        print_message("%s: %s%s\n", calls[i], hit ? weft_status_name(status) : "not called", lost ? ", lost" : "");
        fault_must(weft_pipeline_get(device, &d, &p)); // tried again
    }
}

// ---- loss ----------------------------------------------------------------------------------------------------------

/// Submits and waits that lose the device: LOST from the library, then recovery.
static void test_loss(void **state) {
    (void)state;
    static const char *const calls[] = {"QueueSubmit", "WaitForFences", "GetFenceStatus"};
    int losses = 0;
    if (!dawn) {
        print_message("wgpu-native ends the process on these: see test_wgpu_ends_the_process\n");
        return;
    }
    for (size_t i = 0; i < 3; i++) losses += fail_each(calls[i], DEVICE_LOST, 2);
    assert_true(losses >= 2);
}

/// In a process of its own: a submit that loses the device.
static int doomed(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    fprintf(stderr, "(what follows is wgpu-native's)\n");
    layer.arm("QueueSubmit", 1, 0, DEVICE_LOST);
    weft_status status = life();
    fprintf(stderr, "%s\n", weft_status_name(status));
    return 0;
}

static void test_wgpu_ends_the_process(void **state) {
    (void)state;
    if (dawn) return;
    int status = part_of_its_own("doomed");
    assert_true(WIFSIGNALED(status));
}

// ---- hangs ---------------------------------------------------------------------------------------------------------

/// A dispatch that never finishes, on a device of its own: the wait gives up after the device's timeout, later calls
/// say that it is lost, and recovery gives the same bits by the same handles. Closing a device that hangs ends too.
static void test_hang(void **state) {
    (void)state;
    weft_device *hung;
    weft_program *p;
    weft_session *s;
    float y[Y];
    for (int recovers = 1; recovers >= 0; recovers--) {
        fault_must(weft_device_open(&(struct weft_device_params){.timeout_seconds = 0.5}, &hung));
        fault_must(fault_compile(hung, FAULT_GRAPH("y"), &weights, true, NULL, &p));
        fault_must(weft_session_create(p, NULL, &s));
        fault_must(fault_feed(s, "y", 5, y));
        fault_must(weft_session_reset(s));
        layer.stall(true);
        weft_status status = fault_feed(s, "y", 5, y);
        fault_is(status, WEFT_ERR_TIMEOUT, "");
        fault_is(weft_session_run_blocking(s, 1), WEFT_ERR_LOST, "");
        if (recovers) {
            layer.stall(false);
            fault_must(weft_device_recover(hung, NULL));
            fault_must(weft_session_reset(s));
            fault_must(fault_feed(s, "y", 5, y));
            assert_memory_equal(y, want, sizeof y);
        }
        weft_session_destroy(&s);
        weft_program_destroy(&p);
        weft_device_close(&hung);
        layer.stall(false);
    }
    goes_on(); // another device of the process
}

// ---- running them --------------------------------------------------------------------------------------------------

static void make_world(void) {
    fault_weights_fill(&weights);
    dawn = strcmp(weft_gpu_caps(device)->implementation, "dawn") == 0;
    fault_must(fault_compile(device, FAULT_GRAPH("y"), &weights, true, NULL, &program));
    fault_must(weft_session_create(program, NULL, &bystander));
    fault_must(fault_feed(bystander, "y", 5, want));
}

int main(void) {
    if (weft_device_open(NULL, &device) != WEFT_OK) {
        fprintf(stderr, "%s\n", weft_error_message());
        return getenv("WEFT_TEST_ALLOW_NO_GPU") ? 0 : 1;
    }
    if (!layer_find(&layer)) {
        weft_device_close(&device);
        return LAYER_NONE;
    }
    make_world();
    const char *part = getenv("WEFT_TEST_PART");
    if (part) return strcmp(part, "doomed") == 0 ? doomed() : memory_part();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_memory),         cmocka_unit_test(test_memory_in_a_session),
        cmocka_unit_test(test_memory_in_a_pipeline),  cmocka_unit_test(test_loss),
        cmocka_unit_test(test_wgpu_ends_the_process), cmocka_unit_test(test_hang),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weft_session_destroy(&bystander);
    weft_program_destroy(&program);
    weft_device_close(&device);
    return failed;
}
