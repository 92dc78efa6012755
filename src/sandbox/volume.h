// SPDX-License-Identifier: Apache-2.0
// A scratch of a bounded size: an ext4 file system in a file of root's, mounted for one room after the other (or
// several of the same agent) and gone from the kernel when the last of them ends. It holds on every file system, where
// a quota needs one that was made for it. The file is root's: agentd, which may be taken over, never writes what root
// mounts.
//
// Encrypted, it is of one run: its key is random, known to the kernel alone (fscrypt's keyring of that file system),
// and gone with the mount; the file has no name any more as soon as it is mounted.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"

namespace agentos::sandbox {

struct VolumePlan {
  std::string agent;  // its name: one volume each
  Bytes size;
  bool encrypted = false;
  uid_t owner = 0;  // of its root directory, on disk
  gid_t group = 0;
};

// The root directory of the volume as a detached mount (nosuid, nodev), made when there is none yet and grown when it
// is smaller than asked for. One thread at a time. `directory`: root's, for the files; `parking`: a directory in the
// caller's own mount namespace, for a moment. kRefused for a size that is less than the volume has; kSandboxSetup
// naming the step that failed. Waits for the disk.
Result<Fd> openVolume(const std::string& directory, const std::string& parking, const VolumePlan& plan);

// Why this machine gives none (no loop devices, no mke2fs); empty when nothing speaks against it.
std::string whyNoVolumes();
// Why it gives no encrypted ones; empty likewise.
std::string whyNoEncryption();

}  // namespace agentos::sandbox
