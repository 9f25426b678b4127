//! The argv of every command, pinned.

use pointsman::terminal::{ROW_FORMAT, argv};

#[test]
fn every_command_has_the_argv_we_mean() {
    let words =
        |commands: &[argv::Command]| argv::words(std::path::Path::new("/s"), commands).join(" ");
    let all = [
        words(&[
            argv::load_buffer("pointsman-x"),
            argv::guarded(
                "%5",
                "#{==:a,b}",
                &[
                    argv::paste_buffer("%5", "pointsman-x"),
                    argv::set_trace("%5", "x", "pasted"),
                    argv::say("ok"),
                ],
                &[argv::print("%5", "it's")],
            ),
        ]),
        words(&[argv::send_bytes("%5", &["0d".into()])]),
        words(&[argv::delete_buffer("pointsman-x"), argv::list_buffers()]),
        words(&[argv::capture("%5"), argv::pane_options("%5")]),
        words(&[argv::list_panes("#{pane_id}")]),
        words(&[argv::kill_pane("%5"), argv::rename_window("=s:=w", "check")]),
        words(&[
            argv::set_server("exit-empty", "off"),
            argv::set_session("default-size", "200x50"),
            argv::set_window("remain-on-exit", "on"),
        ]),
        words(&[argv::set_pane_option("%5", "@goal", "ends with;")]),
        argv::control(std::path::Path::new("/s"), "_ctl").join(" "),
        words(&[argv::new_session("s", "w", None, &["x".into()])]).replace(ROW_FORMAT, "ROW"),
        words(&[tmux_interface::StartServer::new().build()]),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    tmux -N -u -f /dev/null -S /s load-buffer -b pointsman-x - ; if-shell -F -t %5 #{==:a,b} 'paste-buffer' '-d' '-p' '-r' '-b' 'pointsman-x' '-t' '%5' ; 'set-option' '-p' '-q' '-t' '%5' '@pointsman_x' 'pasted' ; 'display-message' '-p' 'ok' 'display-message' '-p' '-t' '%5' 'it'\''s'
    tmux -N -u -f /dev/null -S /s send-keys -H -t %5 0d
    tmux -N -u -f /dev/null -S /s delete-buffer -b pointsman-x ; list-buffers -F #{buffer_name}
    tmux -N -u -f /dev/null -S /s capture-pane -e -p -t %5 ; show-options -p -t %5
    tmux -N -u -f /dev/null -S /s list-panes -a -F #{pane_id}
    tmux -N -u -f /dev/null -S /s kill-pane -t %5 ; rename-window -t =s:=w check
    tmux -N -u -f /dev/null -S /s set-option -s exit-empty off ; set-option -g default-size 200x50 ; set-option -g -w remain-on-exit on
    tmux -N -u -f /dev/null -S /s set-option -p -q -t %5 @goal ends with\;
    tmux -N -C -u -f /dev/null -S /s attach-session -f ignore-size,no-output -t =_ctl
    tmux -N -u -f /dev/null -S /s new-session -d -P -F ROW -n w -s s -x 200 -y 50 x
    tmux -u -f /dev/null -S /s start-server
    ");
    let made = [
        argv::new_session(
            "s",
            "w",
            Some("/a#b"),
            &["/usr/bin/env".into(), "-i".into()],
        )
        .to_vec()
        .join(" "),
        argv::new_window("s", "w", "/a", &["/usr/bin/env".into(), "-i".into()])
            .to_vec()
            .join(" "),
    ];
    insta::assert_snapshot!(made.join("\n").replace(ROW_FORMAT, "ROW"), @r"
    new-session -d -P -c /a##b -F ROW -n w -s s -x 200 -y 50 /usr/bin/env -i
    new-window -d -P -c /a -F ROW -n w -t =s: /usr/bin/env -i
    ");
}
