#include "app/server_options.h"

#include <algorithm>
#include <array>

#include "app/text.h"

namespace app {
namespace {

using enum Meaning;

constexpr std::string_view socket = "Serai gives the socket";
constexpr std::string_view logging = "Serai keeps output and access logs";
constexpr std::string_view development = "for development";
constexpr std::string_view limits = "Serai has its own limits";
constexpr std::string_view identity = "every app runs as its own user";
constexpr std::string_view tls = "TLS ends before the app";
constexpr std::string_view proxy = "only Serai's edge is in front, and it is trusted";
constexpr std::string_view recycle = "workers are replaced when they fail, not by count";
constexpr std::string_view tuning = "Serai has one event loop and one HTTP parser";
constexpr std::string_view naming = "processes are named by app";
constexpr std::string_view no_websocket = "WebSockets are not in this version";

constexpr ServerOption gunicorn[] = {
    {"-c --config", true, config_file},
    {"-b --bind", true, ignored, socket},
    {"-w --workers", true, workers},
    {"--threads", true, threads},
    {"-k --worker-class", true, worker_class},
    {"-t --timeout", true, request_timeout},
    {"--graceful-timeout", true, graceful_timeout},
    {"--chdir", true, folder},
    {"--pythonpath", true, app_dir},
    {"-e --env", true, variable},
    {"--preload", false, preload},
    {"--keep-alive", true, ignored, limits},
    {"--max-requests --max-requests-jitter", true, ignored, recycle},
    {"--worker-connections --backlog --limit-request-line --limit-request-fields --limit-request-field_size", true,
     ignored, limits},
    {"--access-logfile --access-logformat --error-logfile --log-file --log-level --log-config --log-config-dict "
     "--log-config-json --logger-class --log-syslog-to --log-syslog-prefix --log-syslog-facility --statsd-host "
     "--statsd-prefix --dogstatsd-tags",
     true, ignored, logging},
    {"--capture-output --log-syslog -R --enable-stdio-inheritance --disable-redirect-access-to-syslog", false, ignored,
     logging},
    {"--forwarded-allow-ips --proxy-allow-from --secure-scheme-headers --proxy-protocol", true, ignored, proxy},
    {"-n --name", true, ignored, naming},
    {"-u --user -g --group -m --umask", true, ignored, identity},
    {"--initgroups", false, ignored, identity},
    {"--certfile --keyfile --ca-certs --ciphers --cert-reqs --ssl-version", true, ignored, tls},
    {"--do-handshake-on-connect --suppress-ragged-eofs", false, ignored, tls},
    {"--reload --spew --check-config --print-config", false, ignored, development},
    {"--reload-engine --reload-extra-file", true, ignored, development},
    {"--worker-tmp-dir --tmp-upload-dir -p --pid --control-socket", true, ignored, "Serai supervises without files"},
    {"--no-sendfile --reuse-port --no-control-socket --strip-header-spaces --permit-unconventional-http-method "
     "--permit-unconventional-http-version --casefold-http-method",
     false, ignored, tuning},
    {"--header-map --forwarder-headers", true, ignored, proxy},
    {"-D --daemon", false, ignored, "Serai supervises the process"},
    {"--paste --paster", true, needs_server},
};

constexpr ServerOption uvicorn[] = {
    {"--host --port --uds --fd", true, ignored, socket},
    {"--workers", true, workers},
    {"--factory", false, factory},
    {"--app-dir", true, app_dir},
    {"--root-path", true, root_path},
    {"--lifespan", true, lifespan},
    {"--interface", true, interface},
    {"--timeout-graceful-shutdown", true, graceful_timeout},
    {"--loop --http", true, ignored, tuning},
    {"--ws --ws-max-size --ws-max-queue --ws-ping-interval --ws-ping-timeout --ws-per-message-deflate", true, ignored,
     no_websocket},
    {"--env-file", true, ignored, "set variables with `serai env set`"},
    {"--log-config --log-level", true, ignored, logging},
    {"--access-log --no-access-log --use-colors --no-use-colors", false, ignored, logging},
    {"--proxy-headers --no-proxy-headers", false, ignored, proxy},
    {"--forwarded-allow-ips", true, ignored, proxy},
    {"--limit-concurrency --backlog --timeout-keep-alive --h11-max-incomplete-event-size --timeout-worker-healthcheck",
     true, ignored, limits},
    {"--limit-max-requests --limit-max-requests-jitter", true, ignored, recycle},
    {"--ssl-keyfile --ssl-certfile --ssl-keyfile-password --ssl-version --ssl-cert-reqs --ssl-ca-certs --ssl-ciphers",
     true, ignored, tls},
    {"--reload", false, ignored, development},
    {"--reload-dir --reload-include --reload-exclude --reload-delay", true, ignored, development},
    {"--header", true, needs_server},
    {"--server-header --no-server-header --date-header --no-date-header", false, ignored, tuning},
};

constexpr ServerOption hypercorn[] = {
    {"-b --bind --insecure-bind --quic-bind", true, ignored, socket},
    {"-w --workers", true, workers},
    {"--root-path", true, root_path},
    {"--graceful-timeout", true, graceful_timeout},
    {"-k --worker-class", true, ignored, tuning},
    {"-c --config", true, needs_server},
    {"--access-log --access-logfile --access-logformat --error-log --error-logfile --log-file --log-config --log-level "
     "--statsd-host --statsd-prefix",
     true, ignored, logging},
    {"--backlog --keep-alive --read-timeout --max-requests --max-requests-jitter", true, ignored, limits},
    {"--ca-certs --certfile --cert-reqs --ciphers --keyfile --keyfile-password", true, ignored, tls},
    {"--websocket-ping-interval", true, ignored, no_websocket},
    {"-g --group -u --user -m --umask", true, ignored, identity},
    {"-p --pid", true, ignored, "Serai supervises without files"},
    {"--server-name --server-names", true, ignored, "hosts are routed with `serai domains`"},
    {"--reload --debug", false, ignored, development},
};

constexpr ServerOption daphne[] = {
    {"-p --port -b --bind -u --unix-socket --fd -e --endpoint", true, ignored, socket},
    {"--root-path", true, root_path},
    {"-t --http-timeout", true, request_timeout},
    {"-v --verbosity --access-log --log-fmt", true, ignored, logging},
    {"--ping-interval --ping-timeout --websocket_timeout --websocket_connect_timeout", true, ignored, no_websocket},
    {"--application-close-timeout --request-buffer-size", true, ignored, limits},
    {"--proxy-headers", false, ignored, proxy},
    {"--proxy-headers-host --proxy-headers-port", true, ignored, proxy},
    {"-s --server-name", true, ignored, tuning},
    {"--no-server-name", false, ignored, tuning},
};

constexpr ServerOption waitress[] = {
    {"--host --port --listen --unix-socket --unix-socket-perms --sockets", true, ignored, socket},
    {"--app", true, app},
    {"--call", false, factory},
    {"--threads", true, threads},
    {"--url-prefix", true, root_path},
    {"--url-scheme --ident --trusted-proxy --trusted-proxy-count --trusted-proxy-headers", true, ignored, proxy},
    {"--log-untrusted-proxy-headers --no-log-untrusted-proxy-headers --clear-untrusted-proxy-headers "
     "--no-clear-untrusted-proxy-headers",
     false, ignored, proxy},
    {"--backlog --recv-bytes --send-bytes --outbuf-overflow --outbuf-high-watermark --inbuf-overflow "
     "--connection-limit --cleanup-interval --channel-timeout --max-request-header-size --max-request-body-size "
     "--asyncore-loop-timeout --channel-request-lookahead",
     true, ignored, limits},
    {"--expose-tracebacks --no-expose-tracebacks --asyncore-use-poll --no-asyncore-use-poll --ipv4 --no-ipv4 --ipv6 "
     "--no-ipv6",
     false, ignored, tuning},
};

constexpr ServerOption uwsgi[] = {
    {"--ini", true, config_file},
    {"-w --module --wsgi", true, app},
    {"--wsgi-file --file", true, file},
    {"--callable", true, callable},
    {"-p --processes --workers", true, workers},
    {"--threads", true, threads},
    {"--chdir", true, folder},
    {"--pythonpath --pp --python-path", true, app_dir},
    {"--env", true, variable},
    {"-t --harakiri", true, request_timeout},
    {"--http --http-socket -s --socket --uwsgi-socket --protocol --chmod-socket", true, ignored, socket},
    {"-M --master --vacuum --die-on-term --need-app --enable-threads --single-interpreter --lazy-apps --lazy "
     "--thunder-lock --strict --memory-report --no-orphans -i",
     false, ignored, "Serai's own supervision"},
    {"-L --disable-logging", false, ignored, logging},
    {"--logto --log-format --stats", true, ignored, logging},
    {"-b --buffer-size --post-buffering --listen -l --max-requests --max-worker-lifetime --reload-on-rss "
     "--worker-reload-mercy --http-timeout --socket-timeout",
     true, ignored, limits},
    {"-H --home --virtualenv --venv --plugins --plugin --pidfile", true, ignored,
     "Serai builds the virtual environment"},
    {"--uid --gid", true, ignored, identity},
    {"--static-map --check-static", true, ignored, "name static folders with [web] static in serai.toml"},
};

constexpr ServerOption flask[] = {
    {"-A --app", true, app},
    {"-h --host -p --port", true, ignored, socket},
    {"-e --env-file", true, ignored, "set variables with `serai env set`"},
    {"--debug --no-debug --reload --no-reload --debugger --no-debugger --with-threads --without-threads", false,
     ignored, development},
    {"--cert --key", true, ignored, tls},
    {"--extra-files --exclude-patterns", true, ignored, development},
};

constexpr ServerOption fastapi[] = {
    {"--app", true, callable},
    {"-e --entrypoint", true, app},
    {"--host --port", true, ignored, socket},
    {"--workers", true, workers},
    {"--root-path", true, root_path},
    {"--reload --no-reload", false, ignored, development},
    {"--proxy-headers --no-proxy-headers", false, ignored, proxy},
    {"--forwarded-allow-ips", true, ignored, proxy},
};

constexpr std::array<ServerFacts, 8> servers = {{
    {"gunicorn", "gunicorn", "application", gunicorn},
    {"uvicorn", "uvicorn", "", uvicorn},
    {"hypercorn", "hypercorn", "", hypercorn},
    {"daphne", "daphne", "", daphne},
    {"waitress-serve", "waitress", "", waitress},
    {"uwsgi", "", "application", uwsgi},
    {"flask", "flask", "", flask},
    {"fastapi", "fastapi", "", fastapi},
}};

}  // namespace

const ServerFacts* find_server(std::string_view program) {
  auto found = std::ranges::find_if(servers, [&](const ServerFacts& s) {
    return s.program == program || (!s.module.empty() && s.module == program);
  });
  return found == servers.end() ? nullptr : &*found;
}

const ServerOption* find_option(const ServerFacts& server, std::string_view name) {
  for (const auto& option : server.options) {
    for (auto known : split(option.names, ' ')) {
      if (known == name) return &option;
    }
  }
  return nullptr;
}

}  // namespace app
