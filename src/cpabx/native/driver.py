"""What CUDA's driver says about this machine, for ``python -m cpabx info``. No framework is asked."""

from __future__ import annotations

import ctypes
import sys

_FILE_NAME = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def described() -> str:
    """The driver and its devices in words, or why there are none. Raises nothing."""
    try:
        driver = ctypes.CDLL(_FILE_NAME)
        if failed := driver.cuInit(0):
            return f"no devices: {_FILE_NAME} answers {failed}{_named(driver, failed)}"
        version, count = ctypes.c_int(), ctypes.c_int()
        driver.cuDriverGetVersion(ctypes.byref(version))
        driver.cuDeviceGetCount(ctypes.byref(count))
        devices = ", ".join(_device(driver, number) for number in range(count.value))
        return f"driver for CUDA {version.value // 1000}.{version.value % 1000 // 10}; {devices or 'no devices'}"
    except (OSError, AttributeError) as error:
        return f"no driver: {error}"


def _device(driver: ctypes.CDLL, number: int) -> str:
    handle, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(handle), number)
    driver.cuDeviceGetName(name, len(name), handle)
    capability = []
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle)
        capability.append(str(value.value))
    return f"{name.value.decode(errors='replace')} ({'.'.join(capability)})"


def _named(driver: ctypes.CDLL, code: int) -> str:
    name = ctypes.c_char_p()
    if driver.cuGetErrorName(code, ctypes.byref(name)) or name.value is None:
        return ""
    return f" ({name.value.decode(errors='replace')})"
