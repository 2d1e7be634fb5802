//! Every promise of the sandbox, tried out before anything else is run.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::error::SandboxError;
use crate::limits::Limits;
use crate::sandbox::{Failure, Sandbox, Verdict, random_token};

/// For programs that end by themselves or by another limit.
const PATIENCE: Duration = Duration::from_mins(2);

/// Refuses a sandbox that lets through what it should not, or stops what it should not.
pub(crate) fn check(sandbox: &Sandbox) -> Result<(), SandboxError> {
    let own = sandbox.limits();
    // A busy machine is no leak.
    let sandbox = &sandbox.with(Limits {
        wall: own.wall.max(PATIENCE),
        ..own
    });
    expect(
        sandbox,
        "that a harmless program passes",
        "print('x')\nassert sum([1, 2]) == 3",
        true,
    )?;
    expect(sandbox, "that a failed assertion fails", "assert False", false)?;
    expect(
        sandbox,
        "that leaving early is not passing",
        "import os\nos._exit(0)",
        false,
    )?;
    network(sandbox)?;
    files(sandbox)?;
    expect(
        sandbox,
        "an empty environment",
        "import os\nassert not set(os.environ) - {'PATH', 'PWD', 'OLDPWD', 'SHLVL', '_', 'LC_CTYPE'}",
        true,
    )?;
    limits(sandbox)
}

fn expect(sandbox: &Sandbox, promise: &'static str, program: &str, passes: bool) -> Result<(), SandboxError> {
    let verdict = sandbox.run(program)?;
    if (verdict == Verdict::Passed) == passes {
        return Ok(());
    }
    let found = match verdict {
        Verdict::Passed => "it passed".to_owned(),
        Verdict::Failed(failure) => failure.to_string(),
    };
    Err(SandboxError::Leaks { promise, found })
}

/// A server of this process must be out of reach, and so must the world.
fn network(sandbox: &Sandbox) -> Result<(), SandboxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let program = format!(
        "import socket\nfor target in [('127.0.0.1', {port}), ('192.0.2.1', 80)]:\n    s = socket.socket()\n    s.settimeout(1)\n    try:\n        s.connect(target)\n    except OSError:\n        continue\n    raise SystemExit('reached')\nassert [name for _, name in socket.if_nameindex()] == ['lo']"
    );
    expect(sandbox, "that the network is out of reach", &program, true)
}

/// Nothing of this machine can be written, and nothing but the interpreter read.
fn files(sandbox: &Sandbox) -> Result<(), SandboxError> {
    let file = std::env::temp_dir().join(format!("secateur-probe-{}", random_token()));
    std::fs::write(&file, "not to be seen")?;
    let (here, temporary, seen) = (std::env::current_dir()?, std::env::temp_dir(), python_path(&file));
    let folders = [here, temporary].map(|folder| python_path(&folder)).join(", ");
    let program = format!(
        "import os\nfor folder in ['/', '/usr', '/usr/bin', '/dev', '/proc', '/old', {folders}]:\n    try:\n        open(os.path.join(folder, 'secateur-probe'), 'w')\n    except OSError:\n        continue\n    raise SystemExit('wrote to ' + folder)\nfor path in ['/etc/passwd', '/home', '/proc/1', '/sys/kernel', {seen}]:\n    assert not os.path.exists(path), path\nassert os.listdir('.') == []\nopen('x', 'w').write('x')"
    );
    let checked = expect(sandbox, "that files outside are out of reach", &program, true);
    std::fs::remove_file(&file)?;
    checked
}

/// An expression for a path, whatever bytes it is made of.
fn python_path(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let hex: String = bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    format!("os.fsdecode(bytes.fromhex('{hex}'))")
}

fn limits(sandbox: &Sandbox) -> Result<(), SandboxError> {
    let own = sandbox.limits();
    let memory = own.memory_bytes;
    let program = format!(
        "try:\n    x = bytearray({memory})\nexcept MemoryError:\n    pass\nelse:\n    raise SystemExit('got it')"
    );
    expect(sandbox, "the limit on memory", &program, true)?;
    let file = own.file_bytes;
    let program = format!(
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\ntry:\n    open('x', 'wb', 0).write(bytes({file}))\n    open('x', 'ab', 0).write(b'1')\nexcept OSError:\n    pass\nelse:\n    raise SystemExit('wrote it')"
    );
    expect(sandbox, "the limit on files", &program, true)?;
    let most = own.processes;
    let program = format!(
        "import os, time\nmade = 0\ntry:\n    while made <= {most}:\n        if os.fork() == 0:\n            time.sleep(60)\n            os._exit(0)\n        made += 1\nexcept OSError:\n    pass\nassert made < {most}, made"
    );
    expect(sandbox, "the limit on processes", &program, true)?;
    stops(sandbox, own)
}

/// Loops and sleepers are stopped, tried with one second each.
fn stops(sandbox: &Sandbox, own: Limits) -> Result<(), SandboxError> {
    let short = sandbox.with(Limits { cpu_seconds: 1, ..own });
    match short.run("while True: pass")? {
        Verdict::Failed(Failure::Died | Failure::Raised(_)) => {}
        other => return Err(leak("the limit on processor time", &other)),
    }
    let short = sandbox.with(Limits {
        wall: Duration::from_secs(2),
        ..own
    });
    match short.run("import time\ntime.sleep(60)")? {
        Verdict::Failed(Failure::WallTime) => Ok(()),
        other => Err(leak("the limit on wall time", &other)),
    }
}

fn leak(promise: &'static str, verdict: &Verdict) -> SandboxError {
    SandboxError::Leaks {
        promise,
        found: format!("{verdict:?}"),
    }
}
