#include "instance/machine/guest_system.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/byte_json.h"
#include "base/file.h"

namespace instance::guest {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Settings::Share, tag, to)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Settings::File, to, content)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Settings, hostname, uid, gid, layers, shares, files, shm_bytes, processes,
                                   localhost_ports)

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kNewRoot = "/new";
constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;

base::Result<void> mount_at(const char* source, const std::string& to, const char* type, unsigned long flags,
                            const std::string& options = {}) {
  std::error_code error;
  fs::create_directories(to, error);
  if (::mount(source, to.c_str(), type, flags, options.c_str()) == 0) return {};
  return base::errno_error(fmt::format("mount {} at {}", source, to));
}

base::Result<void> load_module(const fs::path& file) {
  auto fd = base::open(file, O_RDONLY);
  if (!fd) return std::unexpected(fd.error());
  if (::syscall(SYS_finit_module, fd->get(), "", 0) == 0 || errno == EEXIST) return {};
  return base::errno_error(fmt::format("load the module {}", file.filename().string()));
}

// A disk by the serial number that QEMU gave it: their order is the bus's business.
base::Result<std::string> find_disk(const std::string& serial) {
  std::error_code error;
  for (const auto& disk : fs::directory_iterator("/sys/block", error)) {
    auto text = base::read_file(disk.path() / "serial").value_or("");
    if (text == serial || text == serial + "\n") return "/dev/" + disk.path().filename().string();
  }
  return base::not_found("find the disk \"{}\": the machine has none of that name", serial);
}

base::Result<void> mount_disk(const std::string& serial, const std::string& to, const char* type, unsigned long flags) {
  auto disk = find_disk(serial);
  if (!disk) return std::unexpected(disk.error());
  return mount_at(disk->c_str(), to, type, flags);
}

base::Result<void> mount_root(const Settings& settings) {
  std::string lower;
  for (int i = 0; i < settings.layers; i++) {
    auto to = fmt::format("/layers/{}", i);
    if (auto done = mount_disk(fmt::format("layer{}", i), to, "squashfs", MS_RDONLY | kPlain); !done) return done;
    lower += (i ? ":" : "") + to;
  }
  if (auto done = mount_disk("scratch", "/scratch", "ext4", kPlain | MS_NOATIME); !done) return done;
  std::error_code error;
  for (const char* folder : {"/scratch/upper", "/scratch/work", "/scratch/tmp", "/scratch/var-tmp"})
    fs::create_directories(folder, error);
  for (const char* folder : {"/scratch/tmp", "/scratch/var-tmp"}) ::chmod(folder, 01777);
  return mount_at("system", kNewRoot, "overlay", MS_NODEV,
                  fmt::format("lowerdir={},upperdir=/scratch/upper,workdir=/scratch/work", lower));
}

base::Result<void> mount_system(const Settings& settings) {
  std::string root = kNewRoot;
  auto done = mount_at("proc", root + "/proc", "proc", kPlain | MS_NOEXEC);
  if (done) done = mount_at("sysfs", root + "/sys", "sysfs", kPlain | MS_NOEXEC | MS_RDONLY);
  if (done) done = mount_at("dev", root + "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
  if (done) done = mount_at("pts", root + "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620");
  if (done)
    done = mount_at("shm", root + "/dev/shm", "tmpfs", kPlain, fmt::format("mode=1777,size={}", settings.shm_bytes));
  if (done) done = mount_at("run", root + "/run", "tmpfs", kPlain, "mode=1777,size=16777216");
  if (done) done = mount_at("/scratch/tmp", root + "/tmp", nullptr, MS_BIND);
  if (done) done = mount_at("/scratch/var-tmp", root + "/var/tmp", nullptr, MS_BIND);
  return done;
}

// v9fs: "mmap" caches nothing but what programs map to be shared (SQLite's index of its write-ahead log).
base::Result<void> mount_shares(const Settings& settings) {
  for (const auto& share : settings.shares) {
    auto done = mount_at(share.tag.c_str(), kNewRoot + share.to, "9p", kPlain,
                         "trans=virtio,version=9p2000.L,msize=524288,access=any,cache=mmap");
    if (!done) return done;
  }
  return {};
}

base::Result<void> write_files(const Settings& settings) {
  for (const auto& file : settings.files) {
    fs::path to = kNewRoot + file.to;
    std::error_code error;
    fs::remove(to, error);  // a link of the image's may lead anywhere
    if (auto written = base::write_file_atomically(to, file.content); !written) return written;
  }
  return {};
}

base::Result<void> link_standard_streams() {
  for (auto [to, from] : {std::pair("/dev/fd", "/proc/self/fd"),
                          {"/dev/stdin", "/proc/self/fd/0"},
                          {"/dev/stdout", "/proc/self/fd/1"},
                          {"/dev/stderr", "/proc/self/fd/2"}})
    if (::symlink(from, to) < 0 && errno != EEXIST) return base::errno_error(fmt::format("make the link {}", to));
  return {};
}

base::Result<void> switch_root() {
  if (::chdir(kNewRoot) < 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0 || ::chroot(".") < 0 ||
      ::chdir("/") < 0)
    return base::errno_error("enter the guest's system");
  return {};
}

sockaddr address(const char* text) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  ::inet_pton(AF_INET, text, &in.sin_addr);
  sockaddr plain;
  std::memcpy(&plain, &in, sizeof plain);
  return plain;
}

base::Result<void> bring_up(int socket, const char* name) {
  ifreq request{};
  ::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket, SIOCSIFFLAGS, &request) == 0) return {};
  return base::errno_error(fmt::format("bring the interface {} up", name));
}

base::Result<void> set_address(int socket, unsigned long what, const char* text) {
  ifreq request{};
  ::strncpy(request.ifr_name, "eth0", IFNAMSIZ - 1);
  request.ifr_addr = address(text);
  if (::ioctl(socket, what, &request) == 0) return {};
  return base::errno_error(fmt::format("give the interface its address {}", text));
}

}  // namespace

std::string Settings::to_json() const { return base::dump_byte_json(*this); }

base::Result<Settings> Settings::from_json(const std::string& text) {
  try {
    return base::parse_byte_json(text).get<Settings>();
  } catch (const nlohmann::json::exception& error) {
    return base::invalid("read the machine's settings: {}", error.what());
  }
}

base::Result<void> mount_kernel_folders() {
  auto done = mount_at("proc", "/proc", "proc", kPlain);
  if (done) done = mount_at("sysfs", "/sys", "sysfs", kPlain);
  if (done) done = mount_at("dev", "/dev", "devtmpfs", MS_NOSUID);
  return done;
}

base::Result<void> load_modules() {
  std::ifstream order(fs::path(kModulesFolder) / "order");
  for (std::string name; order >> name;)
    if (auto loaded = load_module(fs::path(kModulesFolder) / name); !loaded) return loaded;
  return {};
}

void prefer_kills_to_thrashing() {
  for (auto [file, text] : {std::pair("enabled", "y"), {"min_ttl_ms", "1000"}}) {
    auto fd = base::open(std::string("/sys/kernel/mm/lru_gen/") + file, O_WRONLY);
    if (fd) (void)base::write_all(fd->get(), text);
  }
}

bool is_trial() {
  auto line = base::read_file("/proc/cmdline").value_or("");
  return line.find(kTrialWord) != std::string::npos;
}

base::Result<base::Fd> open_port(std::chrono::milliseconds patience) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  do {
    std::error_code error;
    for (const auto& port : fs::directory_iterator("/sys/class/virtio-ports", error)) {
      if (base::read_file(port.path() / "name").value_or("") != std::string(kPortName) + "\n") continue;
      return base::open("/dev/" + port.path().filename().string(), O_RDWR);
    }
    std::this_thread::sleep_for(2ms);
  } while (std::chrono::steady_clock::now() < deadline);
  return base::not_found("find the machine's control port: the kernel shows none");
}

void set_clock(double seconds_since_1970) {
  auto seconds = static_cast<time_t>(seconds_since_1970);
  timespec now{seconds, static_cast<long>((seconds_since_1970 - static_cast<double>(seconds)) * 1e9)};
  (void)::clock_settime(CLOCK_REALTIME, &now);
}

base::Result<void> enter_system(const Settings& settings) {
  if (::sethostname(settings.hostname.data(), settings.hostname.size()) < 0) return base::errno_error("name the guest");
  auto done = mount_root(settings);
  if (done) done = mount_system(settings);
  if (done) done = mount_shares(settings);
  if (done) done = write_files(settings);
  if (done) done = switch_root();
  if (done) done = link_standard_streams();
  return done;
}

base::Result<void> set_up_network() {
  base::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return base::errno_error("set up the network");
  auto done = bring_up(socket.get(), "lo");
  if (done) done = set_address(socket.get(), SIOCSIFADDR, "10.0.2.15");
  if (done) done = set_address(socket.get(), SIOCSIFNETMASK, "255.255.255.0");
  if (done) done = bring_up(socket.get(), "eth0");
  if (!done) return done;
  rtentry route{};
  route.rt_dst = address("0.0.0.0");
  route.rt_genmask = address("0.0.0.0");
  route.rt_gateway = address(kRouter);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  if (::ioctl(socket.get(), SIOCADDRT, &route) < 0) return base::errno_error("set the default route");
  return {};
}

// proc(5), /proc/vmstat: "oom_kill N".
long out_of_memory_kills() {
  std::ifstream file("/proc/vmstat");
  long count = 0;
  for (std::string key; file >> key >> count;)
    if (key == "oom_kill") return count;
  return 0;
}

void power_off() {
  ::sync();
  ::reboot(RB_POWER_OFF);
  for (;;) ::pause();
}

}  // namespace instance::guest
