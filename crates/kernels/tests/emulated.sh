#!/bin/sh
# Runs the tests of this crate with AVX-512 BF16 on a machine that lacks it: Linux in Bochs, an emulator that has the instructions
# (QEMU lacks them). Needs no privileges; takes minutes.
#
#   sh crates/kernels/tests/emulated.sh KERNEL [ARGUMENTS OF THE TESTS]
#
# KERNEL is a vmlinuz with a serial console built in; Debian's linux-image-cloud-amd64 has one. The rest, on Debian 13:
#
#   apt-get install bochs bochs-term bochsbios vgabios busybox-static cpio isolinux syslinux-common xorriso
set -eu

kernel=$(realpath "$1")
shift
bochs=${BOCHS:-bochs} # 3.0: earlier ones lack BF16, and Linux does not start in 3.1
share=${BOCHS_SHARE:-/usr/share/bochs}
busybox=${BUSYBOX:-/bin/busybox}
tests=${TESTS:-} # a static test program, to use instead of building one
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
trap 'kill "${emulator:-}" 2>/dev/null; rm -rf "$work"' EXIT INT TERM

if [ -z "$tests" ]; then
    target=x86_64-unknown-linux-gnu
    tests=$(CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-C target-feature=+crt-static' \
        cargo test --package secateur-kernels --lib --no-run --target $target 2>&1 | tee /dev/stderr |
        sed -n 's/.*Executable.*(\(.*\))$/\1/p')
fi

# Bochs 3.0 does not scale the one-byte offsets of VDPBF16PS, and reads its operand from elsewhere.
if objdump -d "$tests" | grep -Eq ' 52 [4-7][0-9a-f] .*vdpbf16ps'; then
    echo "emulated: the compiler wrote VDPBF16PS with short offsets, which Bochs 3.0 misreads: tests of AVX-512 BF16 may fail for that." >&2
    echo "emulated: another opt-level or compiler may do without; TESTS=program takes one that is built already." >&2
fi

# The system: a shell, the tests, and a script that runs them.
mkdir -p "$work"/system/bin "$work"/system/dev "$work"/system/proc "$work"/system/tmp "$work"/disc/isolinux
cp "$busybox" "$work"/system/bin/busybox
cp "$tests" "$work"/system/tests
cat > "$work"/system/init <<INIT
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
exec > /dev/ttyS0 2>&1
/tests --nocapture --exact tests::the_best_path_is_told_by_name
/tests --include-ignored --test-threads=1 $*
echo "emulated: the tests ended with \$?"
/bin/busybox sleep 1000
INIT
chmod +x "$work"/system/init
(cd "$work"/system && find . | cpio --create --format=newc --quiet | gzip -1) > "$work"/disc/initrd
cp "$kernel" "$work"/disc/vmlinuz
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work"/disc/isolinux
# With all that the emulated processor has, Linux ends in a loop: it goes without UMIP, RDPID, FSRM, AMX, protection keys, five page levels.
without=514,534,580,600
cat > "$work"/disc/isolinux/isolinux.cfg <<MENU
DEFAULT tests
LABEL tests
  KERNEL /vmlinuz
  INITRD /initrd
  APPEND console=ttyS0 nokaslr no5lvl nopku clearcpuid=$without mitigations=off lpj=1000000 lsm=capability tsc=unstable panic=-1
MENU
xorriso -as mkisofs -quiet -o "$work"/disc.iso -b isolinux/isolinux.bin -c isolinux/boot.cat \
    -no-emul-boot -boot-load-size 4 -boot-info-table "$work"/disc 2>/dev/null

cat > "$work"/bochsrc <<BOCHS
cpu: model=sapphire_rapids, count=1, ips=50000000
memory: guest=512, host=512
romimage: file=$share/BIOS-bochs-latest
vgaromimage: file=$share/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
display_library: term
log: $work/log
panic: action=fatal
clock: sync=none
BOCHS
: > "$work"/serial
# The display wants a terminal.
TERM=vt100 script -qfc "$bochs -q -f $work/bochsrc" "$work"/screen < /dev/null > /dev/null 2>&1 &
emulator=$!
tail -n +1 -f --pid=$emulator "$work"/serial &
until grep -q '^emulated: \|Kernel panic' "$work"/serial || ! kill -0 $emulator 2>/dev/null; do sleep 5; done
grep -q '^emulated: the tests ended with 0' "$work"/serial
