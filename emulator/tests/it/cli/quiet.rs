//! The amount of output with `-q` and `-v`.

use crate::support::program::{Ended, Home, PROGRAM};

#[tokio::test]
async fn a_quiet_command_prints_only_errors_and_the_output_for_other_programs() {
    let home = Home::new();
    let serving = home.serve(&["--ephemeral"]).await;

    for args in
        [&["-q", "status"][..], &["-q", "key", "disable"], &["-q", "restore"], &["-q", "doctor"]]
    {
        let ended = home.run(args).await;
        assert_eq!((&*ended.out, &*ended.err), ("", ""), "{args:?}");
    }
    let refused = home.run(&["-q", "verify"]).await;
    let document = home.run(&["-q", "status", "--json"]).await;
    let shell = home.run(&["-q", "env"]).await;

    assert!(refused.err.starts_with("error: "), "{refused:?}");
    assert_eq!(document.json()["registry"], serving.url());
    assert!(shell.out.contains("export SEALYARD_ENDPOINT"), "{shell:?}");
    serving.stop().await;
}

#[tokio::test]
async fn a_quiet_start_prints_nothing_and_a_verbose_one_prints_only_lines_of_this_program() {
    let home = Home::new();
    for (flag, is_silent) in [("-q", true), ("-vv", false)] {
        let folder = tempfile::tempdir().unwrap();
        let endpoints = folder.path().join("endpoints.json");
        let mut command = home.command(PROGRAM);
        command.args([flag, "serve", "--ephemeral", "--listen", "0", "--azure-listen", "0"]);
        command.arg("--endpoints-file").arg(&endpoints);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        let pid = child.id().unwrap();
        let waiting = tokio::spawn(child.wait_with_output());
        while !endpoints.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        home.run(&["status"]).await;
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let output = waiting.await.unwrap().unwrap();

        let said = String::from_utf8(output.stderr).unwrap();
        if is_silent {
            assert_eq!((output.stdout.len(), &*said), (0, ""));
        }
        let ours = ["sealyard", "sealed_envelope", "mock_keyvault", "azure_emulator_core"];
        let is_ours = |line: &str| ours.iter().any(|name| line.contains(name));
        let foreign: Vec<&str> = said.lines().filter(|line| !is_ours(line)).collect();
        assert!(foreign.is_empty(), "{flag}: {foreign:#?}");
        assert_eq!(said.contains("DEBUG"), !is_silent, "{said}");
    }
    let _: Ended = home.run(&["status"]).await;
}
