"""What `raab help` says: docs/operating.md as plain text, by its headings. `make pages` writes it, about a service `shop`."""

SECTIONS = {
    "Look first": """
    systemctl status shop                    # its Status: line names the release, the generation and the number of workers
    raab -s shop status                      # in full: each worker, the last reload, processes and timers, what is nobody's
    raab -s shop check                       # what the next start, reload or reboot would come to, and what of it is pending
    raab -s shop config                      # each setting and variable that is in force, and where it comes from
    journalctl -u shop -n 50                 # a line is a JSON object
    journalctl -u shop -p warning -n 50      # what is no access line
    systemctl list-units --all 'shop@*'      # workers and timers beside the web
    readlink /opt/shop/current               # the release that a start would take

  Each check, where the host has curl; also `/metrics`, `/-/release`, `/-/workers`:

    curl --unix-socket /run/shop/admin 'http://shop/readyz?verbose'

  From a checkout, of all hosts at once: `fab status`, `fab logs`, `fab history` (who activated what, and how
  it ended), `fab doctor` (what is wrong now or soon, each with what helps). Add `--env production`.
""",
    "systemctl": """
  typed
      does
  systemctl start shop
      returns when every worker can answer; else fails, and the journal's last lines say why
  systemctl reload shop
      takes up settings, variables, secrets and whatever `current` leads to. A trial first; then new workers
      serve before the old ones leave. Where that fails, it says why, returns an error, and the old workers
      serve on
  systemctl restart shop
      connections wait meanwhile, none is refused. It takes up what a reload names as pending: limits, the
      sandbox
  systemctl stop shop
      requests under way end, then connections are refused; nothing starts it again by itself
  systemctl stop shop 'shop@*'
      also what runs beside the web
  systemctl restart shop@worker-1
      one of the processes beside the web, when it has done what it does
  systemctl edit shop
      a drop-in of your own, which counts over what a deploy brings; a deploy leaves it be
  systemctl disable shop
      it does not come with the next boot; `raab -s shop check` says so
""",
    "kill": """
  To the master, `systemctl show -p MainPID --value shop`; by `systemctl kill --kill-whom=main --signal=HUP
  shop` without looking it up.

  signal
      does
  HUP
      the same hand-over as a reload, without trial, and without variables and secrets that changed
  USR2
      a new master takes over, seamlessly
  TTIN, TTOU
      one worker more or fewer, within `workers_min` and `workers_max`; the number stays, over reboots and
      deploys
  TERM
      an end as by `systemctl stop`; but systemd starts it again. INT or QUIT meanwhile: at once
  KILL
      only what workers are serving is lost; connections wait for the master that systemd starts

  A worker that is killed is replaced at once; only what it was serving is lost. HUP, USR2, TTIN and TTOU sent
  to a worker do nothing.
""",
    "raab": """
  typed
      does
  raab status, raab status --json
      of every service of the host
  raab -s shop check
      settings, modules and the next start, tried as the service's user; exit code 0 when all is well
  raab -s shop trial
      loads the current release as a worker would, and asks it whether it is ready
  raab -s shop config
      settings and variables in force; secrets are masked
  raab -s shop reload
      what `systemctl reload shop` runs; type that
  raab -s shop scale 8
      so many workers, or `+1`, `-1`; returns when they serve. `raab -s shop scale worker=4` for a process
  raab -s shop drain, raab -s shop undrain
      /readyz says 503, so that the load balancer goes; requests are served all along. It lasts until
      `undrain`, or a stop
  raab -s shop run -- flask routes
      a command as the service would run it; `--detach` leaves it running. `raab -s shop shell` for the
      framework's shell
  raab -s shop activate RELEASE
      switches to a release that lies in /opt/shop/releases, proved by answers, or goes back by itself
  raab help, raab help disk
      this page, by topic
  raab metrics
      of all services, as Prometheus wants it; rules are in deploy/monitoring

  Exit codes: 0 done, 1 failed, 2 wrong input or configuration, 3 the service is not running, 4 the release
  does not serve.
""",
    "It answers 502 or nothing": """
  `systemctl status shop`. *inactive*: somebody has stopped it; `systemctl start shop`. *failed*, or
  *activating* again and again: the last lines of `journalctl -u shop -n 50` say why. It has been tried 20
  times in ten minutes then, and systemd has given up: `systemctl reset-failed shop`, and `systemctl start
  shop` once the cause is gone. *active*: then `curl` it past the proxy, at the address of `raab -s shop
  config` (`server.bind`). It answers there: look at the proxy.
""",
    "HTTPS does not answer, http://HOST:8000 does": """
  `systemctl status raab-edge`, `journalctl -u raab-edge -n 50`: what the edge serves, and how certificates
  come (edge.md). Without one it is a proxy of yours: proxies.md.
""",
    "It got bad with a deploy": """
  `fab history --env production` says when. `fab rollback --env production` goes to the release that served
  before, on all hosts, without network, as seamlessly as a deploy. It takes no migration back (databases.md).
  Nobody has a checkout at hand: on each host `ls /opt/shop/releases`, `raab -s shop activate RELEASE`.
""",
    "A reload or deploy is refused": """
  The message says by what, and what helps; nothing was changed, the old workers serve. `raab -s shop check`
  says it again. A deploy's words, case by case: cases.md.
""",
    "It got slow": """
  `raab -s shop status`: BUSY near OPEN in every worker means that all wait for something: a database, another
  service; or compute. `raab -s shop scale +2` is the quick try, and stays until somebody changes it. Which
  route it is: `raab metrics | grep duration`, or the access lines' `ms`: `journalctl -u shop -o cat --since
  -10min | grep raab.access`. What has not begun to answer after `limits.request` seconds is answered 503.
""",
    "Workers die": """
  `journalctl -u shop -p warning -n 100` names each with its signal. SIGKILL and nothing of raab's before it:
  `journalctl -k -g oom` says whether the kernel was out of memory. `raab -s shop scale -1` makes room.
  "WORKER TIMEOUT": a worker has computed for `server.timeout` seconds without a pause.
""",
    "The disk is full": """
  Requests go on; a deploy is refused, and says how much is missing. `du -sh /opt/shop /var/lib/shop
  /var/log/journal`. `journalctl --vacuum-size=500M` is quick. Releases go by `keep` in the environment's file
  with the next deploy; never remove one below /opt/shop/releases by hand that `readlink /opt/shop/current` or
  `raab -s shop status` names.
""",
    "fab says that somebody else is deploying": """
  Exit code 6; who, when and for what is said. `fab deploy --wait 600` waits. A deployer that is stuck: `fab
  unlock --env production`; `--force` also ends an activation that hangs, and has one complete release serve.
""",
    "A host was down during a deploy": """
  It serves the release that it had. `fab deploy --env production` of the same brings it up to date, and
  changes nothing on the others.
""",
    "A certificate, a password or a variable has changed": """
  `fab secrets set NAME --env production`, then `fab reload --env production`. On one host by hand:
  environment.md. A reload that does not work with the new value leaves the old workers serving.
""",
    "The machine is to be rebooted": """
  `raab -s shop check` says whether it will come back. `raab -s shop drain`, wait until the load balancer has
  gone, `reboot`. The mark of `drain` does not outlive it.
""",
    "Something runs that nobody knows": """
  `raab -s shop status` names processes of the service that are nobody's. See the readme, section After an
  intrusion.
""",
    "raab's own tools are gone": """
  All of it is plain: `ln -sfn releases/ID /opt/shop/current.new && mv -T /opt/shop/current.new
  /opt/shop/current && systemctl reload shop` is a rollback.
""",
    "What the hardened unit refuses": """
  The service runs as its own user, without capabilities, on a file system that it can only read. What an
  application may meet:

  it says
      since
      gives it back
  Read-only file system below the code
      a release is never edited
      name the place in `writable`, projects.md
  Permission denied when it executes what it has written, or loads a library from there
      NoExecPaths=
      `allow/exec.conf`
  Operation not permitted, or a crash, when code is made at run time: numba, JITs, cffi callbacks
      MemoryDenyWriteExecute=
      `allow/jit.conf`
  No such file or directory: '/proc/meminfo', psutil.virtual_memory
      ProcSubset=
      `allow/proc.conf`
  Address family not supported for interfaces and routes: psutil.net_if_addrs
      RestrictAddressFamilies=
      `allow/netlink.conf`
  Operation not permitted for io_uring and libaio
      SystemCallFilter=
      `allow/aio.conf`
  nothing in /home, an empty /tmp of its own, no devices
      ProtectHome=, PrivateTmp=, PrivateDevices=
      a drop-in of your own; better: a file in /etc/shop, or `writable`
  no port below 1024
      no capabilities
      `systemd/sockets`, or a proxy
  a path outside of /var/lib/shop is not writable
      ProtectSystem=strict
      `ReadWritePaths=/srv/data` in a drop-in; the folder has to be the user's

    install -D -m 644 -t /etc/systemd/system/shop.service.d /opt/shop/current/systemd/allow/proc.conf
    systemctl daemon-reload
    systemctl restart shop
    raab -s shop check
    systemd-analyze security shop --no-pager

  It is one thing given back and nothing else; what it costs stands at the top of each file. A restart is
  needed, since a sandbox is made once; no connection is refused by it. To take it away again, remove the
  file, and type the same. Processes and timers have what the web's drop-ins say, and `allow: [proc]` of their
  own (processes.md). The other direction, a service without any network: `systemd/sealed`.

  Which of these it is, the traceback tells, `journalctl -u shop -p err -n 20`: a refused system call is an
  error of the application, and nothing of it is logged elsewhere. Who may do what after all this:
  threat-model.md.
""",
}
