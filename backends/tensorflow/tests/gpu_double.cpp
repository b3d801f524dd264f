/*
 * A GPU for tests, in the memory of the CPU: a device of type GPU by TensorFlow's interface for plugins.
 *
 * TensorFlow treats it as it treats any GPU: it places operations there that have a kernel for GPUs, takes
 * the others to the CPU, copies tensors to it and back, and has memory and a stream of it. It calls itself
 * CUDA, so that kernels that ask do their work. Streams are done with all that they were given.
 */
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "tensorflow/c/experimental/stream_executor/stream_executor.h"

namespace {

/* Since the process began. */
std::atomic<int64_t> waits, copies_to_host, bytes_to_device;

constexpr uint64_t memory_size = uint64_t(1) << 30;

void done(TF_Status *status) { TF_SetStatus(status, TF_OK, ""); }

// -- memory -----------------------------------------------------------------------------------------

void allocate(const SP_Device *, uint64_t size, int64_t, SP_DeviceMemoryBase *memory) {
    memory->struct_size = SP_DEVICE_MEMORY_BASE_STRUCT_SIZE;
    memory->opaque = std::aligned_alloc(256, (size + 255) / 256 * 256);
    memory->size = size;
    // What nobody has written is not zero.
    if (memory->opaque) std::memset(memory->opaque, 0xc1, size);
}

void deallocate(const SP_Device *, SP_DeviceMemoryBase *memory) { std::free(memory->opaque); }

void *allocate_host(const SP_Device *, uint64_t size) {
    return std::aligned_alloc(64, (size + 63) / 64 * 64);
}

void deallocate_host(const SP_Device *, void *memory) { std::free(memory); }

TF_Bool no_stats(const SP_Device *, SP_AllocatorStats *) { return false; }

TF_Bool memory_usage(const SP_Device *, int64_t *free, int64_t *total) {
    *free = *total = memory_size;
    return true;
}

// -- streams, events and timers: all is done at once -----------------------------------------------

void create_stream(const SP_Device *, SP_Stream *stream, TF_Status *status) {
    *stream = nullptr;
    done(status);
}

void destroy_stream(const SP_Device *, SP_Stream) {}

void depend(const SP_Device *, SP_Stream, SP_Stream, TF_Status *status) { done(status); }

void get_stream_status(const SP_Device *, SP_Stream, TF_Status *status) { done(status); }

void create_event(const SP_Device *, SP_Event *event, TF_Status *status) {
    *event = nullptr;
    done(status);
}

void destroy_event(const SP_Device *, SP_Event) {}

SE_EventStatus event_status(const SP_Device *, SP_Event) { return SE_EVENT_COMPLETE; }

void on_event(const SP_Device *, SP_Stream, SP_Event, TF_Status *status) { done(status); }

void wait_for_event(const SP_Device *, SP_Event, TF_Status *status) {
    ++waits;
    done(status);
}

void wait_for_stream(const SP_Device *, SP_Stream, TF_Status *status) {
    ++waits;
    done(status);
}

void wait_for_all(const SP_Device *, TF_Status *status) { done(status); }

void create_timer(const SP_Device *, SP_Timer *timer, TF_Status *status) {
    *timer = nullptr;
    done(status);
}

void destroy_timer(const SP_Device *, SP_Timer) {}

void on_timer(const SP_Device *, SP_Stream, SP_Timer, TF_Status *status) { done(status); }

uint64_t no_time(SP_Timer) { return 0; }

TF_Bool call_host(const SP_Device *, SP_Stream, SE_StatusCallbackFn function, void *argument) {
    TF_Status *const status = TF_NewStatus();
    function(argument, status);
    const bool is_fine = TF_GetCode(status) == TF_OK;
    TF_DeleteStatus(status);
    return is_fine;
}

// -- copies -----------------------------------------------------------------------------------------

void sync_to_host(const SP_Device *, void *to, const SP_DeviceMemoryBase *from, uint64_t size,
                  TF_Status *status) {
    ++copies_to_host;
    std::memcpy(to, from->opaque, size);
    done(status);
}

void sync_to_device(const SP_Device *, SP_DeviceMemoryBase *to, const void *from, uint64_t size,
                    TF_Status *status) {
    bytes_to_device += size;
    std::memcpy(to->opaque, from, size);
    done(status);
}

void sync_on_device(const SP_Device *, SP_DeviceMemoryBase *to, const SP_DeviceMemoryBase *from,
                    uint64_t size, TF_Status *status) {
    std::memcpy(to->opaque, from->opaque, size);
    done(status);
}

void to_host(const SP_Device *device, SP_Stream, void *to, const SP_DeviceMemoryBase *from, uint64_t size,
             TF_Status *status) {
    sync_to_host(device, to, from, size, status);
}

void to_device(const SP_Device *device, SP_Stream, SP_DeviceMemoryBase *to, const void *from, uint64_t size,
               TF_Status *status) {
    sync_to_device(device, to, from, size, status);
}

void on_device(const SP_Device *device, SP_Stream, SP_DeviceMemoryBase *to, const SP_DeviceMemoryBase *from,
               uint64_t size, TF_Status *status) {
    sync_on_device(device, to, from, size, status);
}

void fill(const SP_Device *, SP_Stream, SP_DeviceMemoryBase *memory, uint8_t byte, uint64_t size,
          TF_Status *status) {
    std::memset(memory->opaque, byte, size);
    done(status);
}

void zero(const SP_Device *device, SP_Stream stream, SP_DeviceMemoryBase *memory, uint64_t size,
          TF_Status *status) {
    fill(device, stream, memory, 0, size, status);
}

void fill_words(const SP_Device *, SP_Stream, SP_DeviceMemoryBase *memory, uint32_t word, uint64_t size,
                TF_Status *status) {
    for (uint64_t i = 0; i < size / 4; ++i) static_cast<uint32_t *>(memory->opaque)[i] = word;
    done(status);
}

// -- the platform ------------------------------------------------------------------------------------

void get_device_count(const SP_Platform *, int *count, TF_Status *status) {
    *count = 1;
    done(status);
}

void create_device(const SP_Platform *, SE_CreateDeviceParams *params, TF_Status *status) {
    params->device->struct_size = SP_DEVICE_STRUCT_SIZE;
    params->device->ordinal = params->ordinal;
    params->device->hardware_name = "a GPU in the memory of the CPU";
    params->device->device_vendor = "tests";
    params->device->pci_bus_id = "0000:00:00.0";
    done(status);
}

void destroy_device(const SP_Platform *, SP_Device *) {}

void create_device_functions(const SP_Platform *, SE_CreateDeviceFnsParams *params, TF_Status *status) {
    params->device_fns->struct_size = SP_DEVICE_FNS_STRUCT_SIZE;
    done(status);
}

void destroy_device_functions(const SP_Platform *, SP_DeviceFns *) {}

void create_stream_executor(const SP_Platform *, SE_CreateStreamExecutorParams *params, TF_Status *status) {
    SP_StreamExecutor &it = *params->stream_executor;
    it.struct_size = SP_STREAMEXECUTOR_STRUCT_SIZE;
    it.allocate = allocate;
    it.deallocate = deallocate;
    it.host_memory_allocate = allocate_host;
    it.host_memory_deallocate = deallocate_host;
    it.get_allocator_stats = no_stats;
    it.device_memory_usage = memory_usage;
    it.create_stream = create_stream;
    it.destroy_stream = destroy_stream;
    it.create_stream_dependency = depend;
    it.get_stream_status = get_stream_status;
    it.create_event = create_event;
    it.destroy_event = destroy_event;
    it.get_event_status = event_status;
    it.record_event = on_event;
    it.wait_for_event = on_event;
    it.create_timer = create_timer;
    it.destroy_timer = destroy_timer;
    it.start_timer = on_timer;
    it.stop_timer = on_timer;
    it.memcpy_dtoh = to_host;
    it.memcpy_htod = to_device;
    it.memcpy_dtod = on_device;
    it.sync_memcpy_dtoh = sync_to_host;
    it.sync_memcpy_htod = sync_to_device;
    it.sync_memcpy_dtod = sync_on_device;
    it.block_host_for_event = wait_for_event;
    it.block_host_until_done = wait_for_stream;
    it.synchronize_all_activity = wait_for_all;
    it.mem_zero = zero;
    it.memset = fill;
    it.memset32 = fill_words;
    it.host_callback = call_host;
    done(status);
}

void destroy_stream_executor(const SP_Platform *, SP_StreamExecutor *) {}

void create_timer_functions(const SP_Platform *, SP_TimerFns *functions, TF_Status *status) {
    functions->struct_size = SP_TIMER_FNS_STRUCT_SIZE;
    functions->nanoseconds = no_time;
    done(status);
}

void destroy_timer_functions(const SP_Platform *, SP_TimerFns *) {}

void destroy_platform(SP_Platform *) {}

void destroy_platform_functions(SP_PlatformFns *) {}

}  // namespace

extern "C" {

/* How often the host has waited, how often it was copied to, and how much the device was sent. */
int64_t gpu_double_waits() { return waits; }
int64_t gpu_double_copies_to_host() { return copies_to_host; }
int64_t gpu_double_bytes_to_device() { return bytes_to_device; }

void SE_InitPlugin(SE_PlatformRegistrationParams *params, TF_Status *status) {
    params->destroy_platform = destroy_platform;
    params->destroy_platform_fns = destroy_platform_functions;

    SP_Platform &platform = *params->platform;
    platform.struct_size = SP_PLATFORM_STRUCT_SIZE;
    const char *const name = std::getenv("CPABX_TEST_GPU_PLATFORM");
    platform.name = name ? name : "CUDA";
    platform.type = "GPU";
    platform.supports_unified_memory = false;
    platform.use_bfc_allocator = true;
    platform.force_memory_growth = true;

    SP_PlatformFns &functions = *params->platform_fns;
    functions.struct_size = SP_PLATFORM_FNS_STRUCT_SIZE;
    functions.get_device_count = get_device_count;
    functions.create_device = create_device;
    functions.destroy_device = destroy_device;
    functions.create_device_fns = create_device_functions;
    functions.destroy_device_fns = destroy_device_functions;
    functions.create_stream_executor = create_stream_executor;
    functions.destroy_stream_executor = destroy_stream_executor;
    functions.create_timer_fns = create_timer_functions;
    functions.destroy_timer_fns = destroy_timer_functions;
    done(status);
}
}
