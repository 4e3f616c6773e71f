internal import CMicroHTTPD
import Glibc
import Synchronization

/// The thread that accepts connections and ends overdue ones. The library's own acceptor closes what comes when all
/// places are taken; this one leaves it waiting, and makes room by closing connections without a request.
final class Acceptor: @unchecked Sendable {
    private let core: ServerCore
    /// Lives longer than the thread, which the server joins first.
    private let daemon: OpaquePointer
    /// The thread's, which closes it.
    private let listener: Int32

    init(core: ServerCore, daemon: OpaquePointer, listener: Int32) {
        self.core = core
        self.daemon = daemon
        self.listener = listener
    }

    func start() -> pthread_t? {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                wado_httpd_name_thread("http-accept")
                Unmanaged<Acceptor>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        guard status == 0 else {
            Unmanaged<Acceptor>.fromOpaque(context).release()
            return nil
        }
        return thread
    }

    private func run() {
        let tick: UInt64 = 200
        var nextReap: UInt64 = 0
        while !core.isStopping.load(ordering: .acquiring) {
            let now = Clock.milliseconds()
            if now >= nextReap {
                core.reap()
                nextReap = now + tick
            }
            // Without room the listener is looked at now and then only: a place that becomes free wakes as well.
            let hasRoom = core.hasRoom
            let isKnocking = core.wait(
                listener: hasRoom ? listener : -1, milliseconds: hasRoom ? Int32(nextReap - min(now, nextReap)) : 10)
            if hasRoom {
                if isKnocking { accept() }
            } else if core.wait(listener: listener, milliseconds: 0) {
                core.makeRoom(limit: max(1, core.configuration.maximumConnections / 16))
            }
        }
        close(listener)
        core.isListening.store(false, ordering: .releasing)
        while !core.isDrained.load(ordering: .acquiring) {
            core.reap()
            _ = core.wait(listener: -1, milliseconds: 10)
        }
    }

    private func accept() {
        while core.hasRoom {
            var address = sockaddr_storage()
            var length = socklen_t(0)
            let socket = wado_httpd_accept(listener, &address, &length)
            guard socket >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                if errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS {
                    // The process is out of descriptors or memory: give some back, and do not spin.
                    core.makeRoom(limit: 1)
                    usleep(20_000)
                }
                return
            }
            core.reservePlace()
            let isAdded = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { wado_httpd_add(daemon, socket, $0, length) }
            }
            if isAdded == 0 { core.freePlace() }
        }
    }
}
