internal import Glibc

extension MetricsRegistry {
    /// Adds what Prometheus expects of every process: memory, CPU time, open files, threads, start time.
    public func addProcessMetrics() {
        gauge("process_resident_memory_bytes", help: "Resident memory in bytes.") {
            Double(ProcessFiles.status("VmRSS:") * 1024)
        }
        gauge("process_virtual_memory_bytes", help: "Address space in bytes.") {
            Double(ProcessFiles.status("VmSize:") * 1024)
        }
        gauge("process_threads", help: "Threads of the process.") { Double(ProcessFiles.status("Threads:")) }
        gauge("process_open_fds", help: "Open file descriptors.") { Double(ProcessFiles.openDescriptors()) }
        gauge("process_max_fds", help: "Limit of open file descriptors.") {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            return Double(limit.rlim_cur)
        }
        counter("process_cpu_seconds_total", help: "CPU time, user and system, in seconds.") {
            var usage = rusage()
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let start = Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
        gauge("process_start_time_seconds", help: "When the process started, in seconds since 1970.") { start }
    }
}

/// Reads below /proc/self.
package enum ProcessFiles {
    /// A number of /proc/self/status, 0 when it is not there.
    package static func status(_ key: String) -> Int {
        guard let text = read("/proc/self/status") else { return 0 }
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return Int(line.dropFirst(key.count).drop { !$0.isNumber }.prefix { $0.isNumber }) ?? 0
        }
        return 0
    }

    package static func openDescriptors() -> Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Without ".", ".." and the descriptor that reads.
        return max(0, count - 3)
    }

    /// A small file as text; nil when it cannot be read.
    package static func read(_ path: String) -> String? {
        bytes(path, limit: 1 << 20).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The first bytes of a file, at most about `limit`; nil when it cannot be read.
    package static func bytes(_ path: String, limit: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while bytes.count < limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                return nil
            }
            guard count > 0 else { break }
            bytes.append(contentsOf: buffer[0..<count])
        }
        return bytes
    }
}
