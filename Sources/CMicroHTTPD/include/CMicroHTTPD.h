#pragma once
#include <microhttpd.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

// The variadic and macro parts of libmicrohttpd's interface, in a form that Swift imports.

struct wado_httpd_options {
    /// Never to be reached: libmicrohttpd 0.9.75 keeps a lock for ever when it is.
    unsigned int connection_limit;
    /// 0 for none.
    unsigned int connection_limit_per_address;
    /// Bytes for the headers of a request and for its buffers.
    size_t connection_memory;
    /// PEM texts, or NULL for plain HTTP.
    const char *tls_certificate;
    const char *tls_key;
    MHD_AccessHandlerCallback handler;
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connection;
    void *(*request_line)(void *context, const char *uri, struct MHD_Connection *connection);
    /// Gets the library's own messages, one line each.
    void (*log)(void *context, const char *message);
    void *context;
};

struct wado_httpd;

/// Starts a daemon with a thread for each connection that is given to it; NULL when that fails. `options` may go after
/// the call, but for `context`.
struct wado_httpd *wado_httpd_start(const struct wado_httpd_options *options);
/// Gives the daemon an accepted, non-blocking socket, which it closes in any case; 0 when it refused it.
int wado_httpd_add(struct wado_httpd *server, int socket, const struct sockaddr *address, socklen_t length);
/// Closes all connections, joins all threads, frees `server`. Blocks while a handler runs.
void wado_httpd_stop(struct wado_httpd *server);

int wado_httpd_has_tls(void);

/// The peer's address, NULL when unknown; valid as long as the connection.
const struct sockaddr *wado_httpd_peer(struct MHD_Connection *connection);
/// The socket of a connection, -1 when unknown.
int wado_httpd_socket(struct MHD_Connection *connection);
/// What the connection callback stored for this connection.
void *wado_httpd_connection_context(struct MHD_Connection *connection);

/// The bytes that a TCP socket's peer has acknowledged and sent, together; 0 when unknown.
uint64_t wado_httpd_bytes_moved(int socket);

/// Whether bytes wait for the peer to make room.
int wado_httpd_has_unsent(int socket);

/// Sends all the bytes on a non-blocking socket, waiting for the peer to take them; 0, or -1 and `errno`. With `more` they
/// may wait for what is sent next.
int wado_httpd_send(int socket, const void *bytes, size_t count, int more);

/// Sends `count` bytes of a file from `*offset`, without a copy, likewise; `*offset` is moved on. 0, or -1 and `errno`:
/// EIO when the file ends before, EINVAL when it cannot be sent so.
int wado_httpd_send_file(int socket, int file, int64_t *offset, size_t count);

/// Names the calling thread, at most 15 characters.
void wado_httpd_name_thread(const char *name);

/// Accepts a connection with the flags SOCK_CLOEXEC and SOCK_NONBLOCK; -1 and `errno` when that fails.
int wado_httpd_accept(int listener, struct sockaddr_storage *address, socklen_t *length);
