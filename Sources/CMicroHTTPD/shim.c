#define _GNU_SOURCE
#include "CMicroHTTPD.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>

struct wado_httpd {
    struct MHD_Daemon *daemon;
    void (*log)(void *context, const char *message);
    void *context;
};

static void log_line(void *argument, const char *format, va_list values) {
    const struct wado_httpd *server = argument;
    char line[512];
    int length = vsnprintf(line, sizeof line, format, values);
    if (length <= 0) return;
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e) *c = ' ';
    }
    server->log(server->context, line);
}

struct wado_httpd *wado_httpd_start(const struct wado_httpd_options *options) {
    struct wado_httpd *server = malloc(sizeof *server);
    if (!server) return NULL;
    server->log = options->log;
    server->context = options->context;

    unsigned int flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                         MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[16];
    int count = 0;
    items[count++] = (struct MHD_OptionItem){
        MHD_OPTION_CONNECTION_LIMIT, (intptr_t)options->connection_limit, NULL};
    if (options->connection_limit_per_address)
        items[count++] = (struct MHD_OptionItem){
            MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)options->connection_limit_per_address, NULL};
    items[count++] = (struct MHD_OptionItem){
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)options->connection_memory, NULL};
    items[count++] = (struct MHD_OptionItem){
        MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)options->completed, options->context};
    items[count++] = (struct MHD_OptionItem){
        MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)options->connection, options->context};
    items[count++] = (struct MHD_OptionItem){
        MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)options->request_line, options->context};
    items[count++] = (struct MHD_OptionItem){MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL};
    if (options->tls_certificate && options->tls_key) {
        flags |= MHD_USE_TLS;
        items[count++] = (struct MHD_OptionItem){
            MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->tls_certificate};
        items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->tls_key};
    }
    items[count++] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, options->handler, options->context,
        MHD_OPTION_EXTERNAL_LOGGER, log_line, server, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    if (!server->daemon) {
        free(server);
        return NULL;
    }
    return server;
}

int wado_httpd_add(struct wado_httpd *server, int socket, const struct sockaddr *address, socklen_t length) {
    return MHD_add_connection(server->daemon, socket, address, length) == MHD_YES;
}

void wado_httpd_stop(struct wado_httpd *server) {
    MHD_stop_daemon(server->daemon);
    free(server);
}

int wado_httpd_has_tls(void) {
    return MHD_is_feature_supported(MHD_FEATURE_TLS) == MHD_YES;
}

const struct sockaddr *wado_httpd_peer(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

int wado_httpd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

void *wado_httpd_connection_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

uint64_t wado_httpd_bytes_moved(int socket) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return 0;
    return info.tcpi_bytes_acked + info.tcpi_bytes_received;
}

int wado_httpd_has_unsent(int socket) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    memset(&info, 0, sizeof info);
    return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_notsent_bytes > 0;
}

/// After a write that failed: whether it is worth another try, since the peer has made room.
static int can_retry(int socket) {
    if (errno == EINTR) return 1;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return 0;
    struct pollfd wait = {.fd = socket, .events = POLLOUT};
    return poll(&wait, 1, -1) >= 0 || errno == EINTR;
}

int wado_httpd_send(int socket, const void *bytes, size_t count, int more) {
    for (size_t done = 0; done < count;) {
        ssize_t sent = send(socket, (const char *)bytes + done, count - done, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (sent >= 0) done += (size_t)sent;
        else if (!can_retry(socket)) return -1;
    }
    return 0;
}

int wado_httpd_send_file(int socket, int file, int64_t *offset, size_t count) {
    off_t position = *offset;
    while (count > 0) {
        ssize_t sent = sendfile(socket, file, &position, count < (1 << 30) ? count : (1 << 30));
        if (sent == 0) errno = EIO;
        if (sent > 0) count -= (size_t)sent;
        else if (sent == 0 || !can_retry(socket)) return -1;
        *offset = position;
    }
    return 0;
}

void wado_httpd_name_thread(const char *name) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

int wado_httpd_accept(int listener, struct sockaddr_storage *address, socklen_t *length) {
    *length = sizeof *address;
    return accept4(listener, (struct sockaddr *)address, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
