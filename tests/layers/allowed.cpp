// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"
#include "company/task_queue.h"
