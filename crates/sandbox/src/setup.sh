# Inside the new namespaces, before the program: a root that holds the interpreter read-only and one empty folder.
# Arguments: python, its prefix, bytes of the folder, limits for prlimit, identity for setpriv, bytes of the program.
set -e
python=$1 prefix=$2 disk=$3 limits=$4 identity=$5 size=$6 driver=$7
mount --make-rprivate /
mount -t tmpfs -o size=4m,nr_inodes=256,mode=755,nosuid,nodev tmpfs /tmp
cd /tmp
bind() {
    mkdir -p ".$1"
    mount --rbind "$1" ".$1"
    mount -o remount,bind,ro,nosuid ".$1"
}
for folder in /usr /lib /lib64 /bin /sbin; do
    if [ -L "$folder" ]; then cp -P "$folder" ".$folder"; elif [ -d "$folder" ]; then bind "$folder"; fi
done
case $prefix in /usr | /usr/*) ;; *) bind "$prefix" ;; esac
mkdir -p work dev old
touch dev/null
mount --bind /dev/null dev/null
mount -t tmpfs -o "size=$disk,nr_inodes=256,mode=777,nosuid,nodev" tmpfs work
# umount reads /proc, which goes with the old root.
ln -s old/proc proc
mount -o remount,bind,ro /tmp
pivot_root . old
cd /
umount -l old
cd /work
# The lists of options are ours and hold no blanks of their own.
# shellcheck disable=SC2086
exec prlimit $limits setpriv $identity --no-new-privs --bounding-set -all --inh-caps -all --pdeathsig KILL \
    "$python" -I -B -c "$driver" "$size"
