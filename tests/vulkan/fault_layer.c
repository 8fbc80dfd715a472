/// A Vulkan layer that lets calls fail: below the WebGPU implementation, where no test could reach otherwise. A test
/// that finds it loaded (dlopen with RTLD_NOLOAD) arms it; unarmed it only passes on. Several instances and devices may
/// live at once. tests/exec/test_gpu_vulkan_faults.c says what each implementation makes of it.
#define VK_NO_PROTOTYPES
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define PUBLIC __attribute__((visibility("default")))

/// The calls that can be made to fail: name, the object whose device is meant, parameters, arguments.
#define CALLS(X)                                                                                                       \
    X(AllocateMemory, d,                                                                                               \
      (VkDevice d, const VkMemoryAllocateInfo *i, const VkAllocationCallbacks *a, VkDeviceMemory *o), (d, i, a, o))    \
    X(CreateBuffer, d, (VkDevice d, const VkBufferCreateInfo *i, const VkAllocationCallbacks *a, VkBuffer *o),         \
      (d, i, a, o))                                                                                                    \
    X(CreateShaderModule, d,                                                                                           \
      (VkDevice d, const VkShaderModuleCreateInfo *i, const VkAllocationCallbacks *a, VkShaderModule *o),              \
      (d, i, a, o))                                                                                                    \
    X(CreateComputePipelines, d,                                                                                       \
      (VkDevice d, VkPipelineCache c, uint32_t n, const VkComputePipelineCreateInfo *i,                                \
       const VkAllocationCallbacks *a, VkPipeline *o),                                                                 \
      (d, c, n, i, a, o))                                                                                              \
    X(CreateDescriptorPool, d,                                                                                         \
      (VkDevice d, const VkDescriptorPoolCreateInfo *i, const VkAllocationCallbacks *a, VkDescriptorPool *o),          \
      (d, i, a, o))                                                                                                    \
    X(AllocateDescriptorSets, d, (VkDevice d, const VkDescriptorSetAllocateInfo *i, VkDescriptorSet *o), (d, i, o))    \
    X(AllocateCommandBuffers, d, (VkDevice d, const VkCommandBufferAllocateInfo *i, VkCommandBuffer *o), (d, i, o))    \
    X(MapMemory, d, (VkDevice d, VkDeviceMemory m, VkDeviceSize x, VkDeviceSize n, VkMemoryMapFlags f, void **o),      \
      (d, m, x, n, f, o))                                                                                              \
    X(BeginCommandBuffer, c, (VkCommandBuffer c, const VkCommandBufferBeginInfo *i), (c, i))                           \
    X(EndCommandBuffer, c, (VkCommandBuffer c), (c))                                                                   \
    X(QueueSubmit, q, (VkQueue q, uint32_t n, const VkSubmitInfo *s, VkFence f), (q, n, s, f))                         \
    X(QueueSubmit2, q, (VkQueue q, uint32_t n, const VkSubmitInfo2 *s, VkFence f), (q, n, s, f))                       \
    X(WaitForFences, d, (VkDevice d, uint32_t n, const VkFence *f, VkBool32 all, uint64_t t), (d, n, f, all, t))       \
    X(GetFenceStatus, d, (VkDevice d, VkFence f), (d, f))                                                              \
    X(WaitSemaphores, d, (VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t t), (d, i, t))                            \
    X(GetSemaphoreCounterValue, d, (VkDevice d, VkSemaphore s, uint64_t * v), (d, s, v))

enum call {
#define X(name, object, parameters, arguments) CALL_##name,
    CALLS(X)
#undef X
        CALL_COUNT
};

static const char *const call_names[CALL_COUNT] = {
#define X(name, object, parameters, arguments) #name,
    CALLS(X)
#undef X
};

// ---- arming --------------------------------------------------------------------------------------------------------

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int armed = -1, answer;
static uint64_t first, times, seen;

/// Calls number `at`, `at` + 1 .. of `name` ("QueueSubmit") from now on answer `result`, `count` of them, 0 for ever.
/// NULL disarms. False: there is no such call.
PUBLIC bool weft_fault_arm(const char *name, uint64_t at, uint64_t count, int result) {
    int found = -1;
    for (int i = 0; name && i < CALL_COUNT; i++)
        if (strcmp(name, call_names[i]) == 0) found = i;
    pthread_mutex_lock(&lock);
    armed = found;
    first = at;
    times = count;
    answer = result;
    seen = 0;
    pthread_mutex_unlock(&lock);
    return !name || found >= 0;
}

/// While stalled, work that was handed to a queue never seems to finish: fences stay unsignalled, counters of
/// semaphores at 0, waits time out at once.
static bool stalled;
PUBLIC void weft_fault_stall(bool on) {
    pthread_mutex_lock(&lock);
    stalled = on;
    pthread_mutex_unlock(&lock);
}

/// How often the armed call was made since.
PUBLIC uint64_t weft_fault_seen(void) {
    pthread_mutex_lock(&lock);
    uint64_t n = seen;
    pthread_mutex_unlock(&lock);
    return n;
}

static bool fails(enum call call, VkResult *result) {
    pthread_mutex_lock(&lock);
    if (stalled && (call == CALL_WaitForFences || call == CALL_WaitSemaphores || call == CALL_GetFenceStatus)) {
        pthread_mutex_unlock(&lock);
        *result = call == CALL_GetFenceStatus ? VK_NOT_READY : VK_TIMEOUT;
        return true;
    }
    bool hit = armed == (int)call && ++seen >= first && (times == 0 || seen < first + times);
    *result = (VkResult)answer;
    pthread_mutex_unlock(&lock);
    return hit;
}

// ---- instances and devices -----------------------------------------------------------------------------------------

enum { MOST = 64 };

/// Objects of a device, and the device, begin with the same pointer; so do an instance and its physical devices.
static void *key_of(const void *object) { return *(void *const *)object; }

// What is needed of the next layer is asked for when an object is made: later the loader would answer with the first.
static struct {
    void *key;
    VkInstance instance;
    PFN_vkGetInstanceProcAddr next;
    PFN_vkDestroyInstance destroy;
} instances[MOST];
static struct {
    void *key;
    PFN_vkGetDeviceProcAddr next;
    PFN_vkDestroyDevice destroy;
#define X(name, object, parameters, arguments) PFN_vk##name name;
    CALLS(X)
#undef X
} devices[MOST];

static int instance_of(void *key) {
    for (int i = 0; i < MOST; i++)
        if (instances[i].key == key) return i;
    return -1;
}

static int device_of(void *key) {
    for (int i = 0; i < MOST; i++)
        if (devices[i].key == key) return i;
    return -1;
}

static int device_at(const void *object) {
    pthread_mutex_lock(&lock);
    int i = device_of(key_of(object));
    pthread_mutex_unlock(&lock);
    return i;
}

#define X(name, object, parameters, arguments)                                                                         \
    static VKAPI_ATTR VkResult VKAPI_CALL on_##name parameters {                                                       \
        VkResult result;                                                                                               \
        if (fails(CALL_##name, &result)) return result;                                                                \
        int at = device_at(object);                                                                                    \
        return at < 0 ? VK_ERROR_INITIALIZATION_FAILED : devices[at].name arguments;                                   \
    }
CALLS(X)
#undef X

static VKAPI_ATTR VkResult VKAPI_CALL count_semaphore(VkDevice device, VkSemaphore semaphore, uint64_t *value) {
    VkResult result = on_GetSemaphoreCounterValue(device, semaphore, value);
    pthread_mutex_lock(&lock);
    if (stalled) *value = 0;
    pthread_mutex_unlock(&lock);
    return result;
}

// ---- making them ---------------------------------------------------------------------------------------------------

/// The loader's note on where the next layer is.
static void *link_of(const void *next, VkStructureType type) {
    for (const VkBaseInStructure *s = next; s; s = s->pNext)
        if (s->sType == type && ((const VkLayerInstanceCreateInfo *)s)->function == VK_LAYER_LINK_INFO)
            return (void *)(uintptr_t)s;
    return NULL;
}

static VKAPI_ATTR VkResult VKAPI_CALL on_CreateInstance(const VkInstanceCreateInfo *info,
                                                        const VkAllocationCallbacks *allocate, VkInstance *out) {
    VkLayerInstanceCreateInfo *link = link_of(info->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
    if (!link) return VK_ERROR_INITIALIZATION_FAILED;
    PFN_vkGetInstanceProcAddr next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)next(NULL, "vkCreateInstance");
    VkResult result = create(info, allocate, out);
    if (result != VK_SUCCESS) return result;
    pthread_mutex_lock(&lock);
    int at = instance_of(NULL);
    if (at >= 0) {
        instances[at].key = key_of(*out);
        instances[at].instance = *out;
        instances[at].next = next;
        instances[at].destroy = (PFN_vkDestroyInstance)next(*out, "vkDestroyInstance");
    }
    pthread_mutex_unlock(&lock);
    return at < 0 ? VK_ERROR_INITIALIZATION_FAILED : VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL on_DestroyInstance(VkInstance instance, const VkAllocationCallbacks *allocate) {
    if (!instance) return;
    pthread_mutex_lock(&lock);
    int at = instance_of(key_of(instance));
    PFN_vkDestroyInstance destroy = at < 0 ? NULL : instances[at].destroy;
    if (at >= 0) instances[at].key = NULL;
    pthread_mutex_unlock(&lock);
    if (destroy) destroy(instance, allocate);
}

static VKAPI_ATTR VkResult VKAPI_CALL on_CreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                      const VkAllocationCallbacks *allocate, VkDevice *out) {
    VkLayerDeviceCreateInfo *link = link_of(info->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
    pthread_mutex_lock(&lock);
    int from = instance_of(key_of(physical));
    VkInstance instance = from < 0 ? NULL : instances[from].instance;
    pthread_mutex_unlock(&lock);
    if (!link || !instance) return VK_ERROR_INITIALIZATION_FAILED;
    PFN_vkGetInstanceProcAddr up = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    PFN_vkGetDeviceProcAddr next = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateDevice create = (PFN_vkCreateDevice)up(instance, "vkCreateDevice");
    VkResult result = create(physical, info, allocate, out);
    if (result != VK_SUCCESS) return result;
    pthread_mutex_lock(&lock);
    int at = device_of(NULL);
    if (at >= 0) {
        devices[at].key = key_of(*out);
        devices[at].next = next;
        devices[at].destroy = (PFN_vkDestroyDevice)next(*out, "vkDestroyDevice");
#define X(name, object, parameters, arguments)                                                                         \
    devices[at].name = (PFN_vk##name)next(*out, "vk" #name);                                                           \
    if (!devices[at].name) devices[at].name = (PFN_vk##name)next(*out, "vk" #name "KHR");
        CALLS(X)
#undef X
    }
    pthread_mutex_unlock(&lock);
    return at < 0 ? VK_ERROR_INITIALIZATION_FAILED : VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL on_DestroyDevice(VkDevice device, const VkAllocationCallbacks *allocate) {
    if (!device) return;
    int at = device_at(device);
    if (at < 0) return;
    devices[at].destroy(device, allocate);
    pthread_mutex_lock(&lock);
    devices[at].key = NULL;
    pthread_mutex_unlock(&lock);
}

// ---- being found ---------------------------------------------------------------------------------------------------

PUBLIC VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name);

static bool named(const char *name, const char *ours) {
    size_t n = strlen(ours);
    return strncmp(name, "vk", 2) == 0 && strncmp(name + 2, ours, n) == 0 &&
           (name[n + 2] == 0 || strcmp(name + n + 2, "KHR") == 0);
}

PUBLIC VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetDeviceProcAddr(VkDevice device, const char *name) {
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (PFN_vkVoidFunction)vkGetDeviceProcAddr;
    if (strcmp(name, "vkDestroyDevice") == 0) return (PFN_vkVoidFunction)on_DestroyDevice;
    int at = device_at(device);
    if (at < 0) return NULL;
    PFN_vkVoidFunction theirs = devices[at].next(device, name);
    if (!theirs) return NULL; // what the driver has not, the layer has not
    if (named(name, "GetSemaphoreCounterValue")) return (PFN_vkVoidFunction)count_semaphore;
#define X(ours, object, parameters, arguments)                                                                         \
    if (named(name, #ours)) return (PFN_vkVoidFunction)on_##ours;
    CALLS(X)
#undef X
    return theirs;
}

PUBLIC VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name) {
    if (strcmp(name, "vkGetInstanceProcAddr") == 0) return (PFN_vkVoidFunction)vkGetInstanceProcAddr;
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (PFN_vkVoidFunction)vkGetDeviceProcAddr;
    if (strcmp(name, "vkCreateInstance") == 0) return (PFN_vkVoidFunction)on_CreateInstance;
    if (strcmp(name, "vkDestroyInstance") == 0) return (PFN_vkVoidFunction)on_DestroyInstance;
    if (strcmp(name, "vkCreateDevice") == 0) return (PFN_vkVoidFunction)on_CreateDevice;
    if (!instance) return NULL;
#define X(ours, object, parameters, arguments)                                                                         \
    if (named(name, #ours)) return (PFN_vkVoidFunction)on_##ours;
    CALLS(X)
#undef X
    pthread_mutex_lock(&lock);
    int at = instance_of(key_of(instance));
    PFN_vkGetInstanceProcAddr next = at < 0 ? NULL : instances[at].next;
    pthread_mutex_unlock(&lock);
    return next ? next(instance, name) : NULL;
}

PUBLIC VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *loader) {
    if (loader->loaderLayerInterfaceVersion < 2) return VK_ERROR_INITIALIZATION_FAILED;
    loader->loaderLayerInterfaceVersion = 2;
    loader->pfnGetInstanceProcAddr = vkGetInstanceProcAddr;
    loader->pfnGetDeviceProcAddr = vkGetDeviceProcAddr;
    loader->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
