//! What programs try, and what comes of it. Skipped, with the reason, where the machine has no namespaces.

#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use secateur_sandbox::{Failure, Limits, Sandbox, Verdict};

fn sandbox() -> Option<&'static Sandbox> {
    static SANDBOX: OnceLock<Result<Sandbox, String>> = OnceLock::new();
    match SANDBOX.get_or_init(|| Sandbox::open(Limits::default()).map_err(|error| error.to_string())) {
        Ok(sandbox) => Some(sandbox),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

fn run(program: &str) -> Option<Verdict> {
    Some(sandbox()?.run(program).unwrap())
}

fn assert_fails(program: &str) {
    if let Some(verdict) = run(program) {
        assert!(matches!(verdict, Verdict::Failed(_)), "{program}: {verdict:?}");
    }
}

#[test]
fn right_programs_pass_and_wrong_ones_say_why() {
    let Some(verdict) = run("def f(x):\n    return x + 1\nassert f(1) == 2\n") else {
        return;
    };
    assert_eq!(verdict, Verdict::Passed);
    let failed = |program: &str| match run(program).unwrap() {
        Verdict::Failed(Failure::Raised(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed("assert 1 == 2, 'no'"), "AssertionError: no");
    assert!(failed("def f(:").starts_with("SyntaxError"));
    assert!(failed("import sys\nsys.exit(0)").starts_with("SystemExit"));
    assert!(failed("input()").starts_with("RuntimeError"));
}

#[test]
fn a_program_cannot_claim_to_have_passed() {
    for program in [
        "import os\nos.write(2, b'passed 1234567890123456\\n')\nos._exit(0)",
        "import os\n[os.write(fd, b'\\npassed 0\\n') for fd in (1, 2, 3)]\nos._exit(0)",
        "import sys\nsys.stdout.write('passed\\n')\nraise SystemExit",
        "import os\nos.kill(os.getpid(), 9)\nwhile True: pass",
    ] {
        assert_fails(program);
    }
}

#[test]
fn floods_and_hogs_are_stopped() {
    assert_fails("while True: print('x' * 1000)");
    assert_fails("import sys\nwhile True: sys.stderr.write('x' * 1000)");
    assert_fails("x = []\nwhile True: x.append(bytearray(1 << 20))");
    assert_fails("def f(): return f() + f()\nimport sys\nsys.setrecursionlimit(10**9)\nf()");
    assert_fails("while True: pass");
    assert_fails("f = open('x', 'wb', 0)\nwhile True: f.write(bytes(1 << 16))");
    assert_fails("i = 0\nwhile True:\n    i += 1\n    open(str(i), 'wb', 0).write(bytes(1 << 19))");
}

#[test]
fn fork_bombs_end_with_the_program() {
    let start = Instant::now();
    // As long as nobody else on the machine sleeps.
    let seconds = format!("100.{}", std::process::id());
    assert_fails("import os\nwhile True:\n    os.fork()");
    assert_fails(&format!(
        "import subprocess\nwhile True: subprocess.Popen(['/bin/sh', '-c', 'sleep {seconds}'])"
    ));
    assert_fails(
        "import os, time\nos.setsid()\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(100)\nraise ValueError",
    );
    assert!(start.elapsed() < Duration::from_mins(1));
    let left = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            command == format!("sleep\0{seconds}\0").as_bytes()
        });
    assert_eq!(left.count(), 0);
}

#[test]
fn nothing_outside_can_be_deleted_written_or_reached() {
    let Some(_) = sandbox() else { return };
    let folder = std::env::temp_dir().join(format!("secateur-sandbox-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("precious");
    std::fs::write(&file, "precious").unwrap();
    assert_fails(&format!("open({file:?}).read()"));
    assert_fails(&format!("open({file:?}, 'w')"));
    assert_fails(&format!("import os\nos.remove({file:?})"));
    // What can be seen is not ours to delete.
    // Of /usr the programs alone: walking all of it takes longer than a program has on a busy machine.
    let program = "import shutil, os\npaths = ['/' + name for name in os.listdir('/') if name != 'usr'] + ['/usr/bin', '/usr/sbin']\nfor path in paths: shutil.rmtree(path, ignore_errors=True)\nassert os.path.exists('/usr/bin/env')";
    assert_eq!(run(program), Some(Verdict::Passed));
    assert_fails("import os\nos.remove('/usr/bin/env')");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_fails("import urllib.request\nurllib.request.urlopen('http://192.0.2.1', timeout=2)");
    assert_fails("import socket\nsocket.create_connection(('1.1.1.1', 53), 2)");
    assert_fails("import os\nos.chroot('/work')");
    assert_fails("import os, ctypes\nassert ctypes.CDLL(None).mount(b'tmpfs', b'/usr', b'tmpfs', 0, None) == 0");
    assert_fails(
        "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000 | 0x00020000) == 0\nassert ctypes.CDLL(None).mount(b'x', b'/work', b'proc', 0, None) == 0",
    );
}

#[test]
fn programs_do_not_see_each_other() {
    let Some(sandbox) = sandbox() else { return };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let program = "import os, time\nassert os.listdir('.') == []\nopen('mine', 'w').write('x')\ntime.sleep(0.3)\nassert os.listdir('.') == ['mine']\nassert os.getpid() == 1";
                assert_eq!(sandbox.run(program).unwrap(), Verdict::Passed);
            });
        }
    });
}

#[test]
fn a_sleeper_is_stopped_by_wall_time() {
    let Some(_) = sandbox() else { return };
    let limits = Limits {
        wall: Duration::from_secs(2),
        ..Limits::default()
    };
    let short = Sandbox::open(limits).unwrap();
    assert_eq!(
        short.run("import time\ntime.sleep(50)").unwrap(),
        Verdict::Failed(Failure::WallTime)
    );
}
