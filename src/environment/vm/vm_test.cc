#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "environment/vm/bzimage.h"
#include "environment/vm/cpio.h"
#include "environment/vm/modules.h"
#include "environment/vm/qemu.h"

namespace environment {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

KernelModules some_modules() {
  return {{"overlay", {"overlay.ko", {}}},
          {"virtio", {"virtio.ko", {}}},
          {"virtio_ring", {"virtio_ring.ko", {"virtio"}}},
          {"virtio_pci", {"virtio_pci.ko", {"virtio_ring", "virtio"}}},
          {"broken", {"broken.ko", {"not_there"}}}};
}

TEST(ModulesTest, WhatAModuleNeedsComesBeforeItAndOnce) {
  EXPECT_THAT(modules_in_order(some_modules(), {}, {"virtio_pci", "overlay", "virtio"}).value(),
              ElementsAre("virtio", "virtio_ring", "virtio_pci", "overlay"));
}

TEST(ModulesTest, WhatIsBuiltInNeedsNoFile) {
  EXPECT_THAT(modules_in_order(some_modules(), {"virtio", "ext4"}, {"ext4", "virtio_ring"}).value(),
              ElementsAre("virtio_ring"));
}

TEST(ModulesTest, AMissingModuleIsNamedWithWhatNeedsIt) {
  auto order = modules_in_order(some_modules(), {}, {"broken"});
  ASSERT_FALSE(order);
  EXPECT_THAT(order.error().describe(), testing::AllOf(HasSubstr("not_there"), HasSubstr("broken")));
}

TEST(ModulesTest, AModuleSaysItselfWhatItNeeds) {
  std::string file(
      "\x7f"
      "ELF\0license=GPL\0depends=jbd2,crc-itu-t\0retpoline=Y\0",
      53);
  EXPECT_THAT(needs_of_module(file), ElementsAre("jbd2", "crc_itu_t"));
  EXPECT_THAT(needs_of_module(std::string("\0depends=\0x", 11)), testing::IsEmpty());
  EXPECT_THAT(needs_of_module("not a module"), testing::IsEmpty());
  EXPECT_EQ(module_name("kernel/drivers/char/hw_random/virtio-rng.ko"), "virtio_rng");
}

TEST(BzImageTest, TheKernelInsideIsFound) {
  std::string image(0x250, '\0');
  image.replace(0x202, 4, "HdrS");
  image[0x1F1] = 1;
  image[0x207] = 2;
  image[0x206] = 8;
  image[0x248] = 4;
  image[0x24C] = 6;
  image.resize(1024);
  image += "....packed and more";
  EXPECT_EQ(compressed_kernel(image).value_or("none"), "packed");
  image[0x24D] = 1;
  EXPECT_FALSE(compressed_kernel(image)) << "longer than the file";
  EXPECT_FALSE(compressed_kernel("a text"));
}

TEST(CpioTest, AnArchiveIsAsTheKernelReadsIt) {
  CpioArchive archive;
  archive.add_folder("dev");
  archive.add_file("init", "hello", 0755);
  auto bytes = archive.finish();
  EXPECT_EQ(bytes.size() % 512, 0u);
  EXPECT_EQ(bytes.substr(0, 6), "070701");
  EXPECT_EQ(bytes.substr(14, 8), "000041ED") << "a folder's mode";
  auto second = bytes.find("070701", 6);
  EXPECT_EQ(second % 4, 0u);
  EXPECT_EQ(bytes.substr(second + 6 + 6 * 8, 8), "00000005") << "a file's size";
  EXPECT_THAT(bytes, HasSubstr("TRAILER!!!"));
}

MachineSpec some_machine() {
  return {.accelerator = Accelerator::tcg,
          .cpus = 2,
          .memory = 512ULL << 20,
          .kernel = "/machine/kernel",
          .initramfs = "/machine/initramfs",
          .layers = {"/machine/layer0", "/machine/layer1"},
          .scratch = "/machine/scratch",
          .shares = {{"app", "/app"}}};
}

TEST(QemuTest, AMachineHasNothingThatItIsNotGiven) {
  auto words = qemu_command(some_machine());
  EXPECT_THAT(words, Contains("-nodefaults"));
  EXPECT_THAT(words, Contains("-no-user-config"));
  EXPECT_THAT(words, Contains("on,obsolete=deny,spawn=deny,resourcecontrol=deny,elevateprivileges=deny"));
  EXPECT_THAT(words, Contains("512M"));
  EXPECT_THAT(words, Contains("tcg,thread=multi,tb-size=128"));
  EXPECT_THAT(words, Contains("if=none,id=layer1,format=raw,file=/machine/layer1,readonly=on"));
  EXPECT_THAT(words, Contains("local,id=app,path=/app,security_model=none,multidevs=remap"));
}

TEST(QemuTest, ATrialHasNoDisksAndGivesUpItsRights) {
  auto spec = some_machine();
  spec.trial = true;
  spec.accelerator = Accelerator::kvm;
  auto words = qemu_command(spec);
  EXPECT_THAT(words, Contains("kvm"));
  EXPECT_THAT(words, Contains("nobody"));
  EXPECT_THAT(words, Not(Contains("-drive")));
}

TEST(QemuTest, ACommaInAPathIsNoOption) {
  auto spec = some_machine();
  spec.scratch = "/a,readonly=off";
  EXPECT_THAT(qemu_command(spec), Contains(HasSubstr("file=/a,,readonly=off,cache=unsafe")));
}

}  // namespace
}  // namespace environment
