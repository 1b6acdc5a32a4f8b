//! The event loop's dealings with files: reload, change detection, maintenance.

use super::{
    Arc, Director, Event, Files, Instant, Loaded, Maintenance, Program, SETTLING, Table, children,
    kernel, load, maintenance, oneshot, read_services,
};

impl Director {
    /// Reads the configuration file again, in a blocking task; one at a time.
    pub(super) fn reload(&mut self, reply: Option<oneshot::Sender<Result<(), String>>>) {
        self.file.waiting.extend(reply);
        if self.stopping.is_some() || self.file.loading {
            self.file.again = self.file.loading;
            return;
        }
        self.file.loading = true;
        self.notifier.send("RELOADING=1");
        let (path, known) = (self.file.path.clone(), Arc::clone(&self.file.answers));
        let node = self.pair.as_ref().map(|side| side.node().to_owned());
        let sender = self.sender.clone();
        tokio::task::spawn_blocking(move || {
            let _ = sender.send(Event::Loaded(load::load_as(
                &path,
                Some(&known),
                node.as_deref(),
            )));
        });
    }

    pub(super) fn take_loaded(&mut self, result: Result<Loaded, load::LoadError>) {
        match result {
            Ok(loaded) => {
                let keys = self.core.new_services(&loaded.config);
                let (kernel, sender) = (self.kernel.clone(), self.sender.clone());
                tokio::spawn(async move {
                    let result = read_services(&kernel, keys).await;
                    let _ = sender.send(Event::NewServices(loaded, result));
                });
            }
            Err(error) => {
                if let Some(fingerprint) = error.fingerprint.clone() {
                    self.file.fingerprint = fingerprint;
                }
                for line in error.lines() {
                    tracing::error!("{line}");
                }
                tracing::error!("the new configuration is not used, the old one stays in force");
                self.finish_reload(&Err(error.to_string()));
            }
        }
    }

    pub(super) fn take_new_services(
        &mut self,
        loaded: Loaded,
        result: Result<Table, kernel::Error>,
        now: Instant,
    ) {
        self.note_kernel(result.as_ref().err());
        match result {
            Ok(_) if self.stopping.is_some() => {
                self.finish_reload(&Err("the director is stopping".to_owned()));
            }
            Ok(table) => {
                let plan = match self.plan_pair(&loaded) {
                    Ok(plan) => plan,
                    Err(error) => {
                        tracing::error!(%error, "the new configuration is not used");
                        return self.finish_reload(&Err(error));
                    }
                };
                loaded.log_warnings();
                let before = children::names(self.core.config());
                let config = Arc::new(loaded.config);
                self.file.answers = loaded.answers;
                self.file.in_force = loaded.fingerprint.clone();
                self.file.fingerprint = loaded.fingerprint;
                self.names.take(&loaded.unresolved, now);
                self.core.reload(Arc::clone(&config), table, now);
                self.alerts.configure(&config);
                self.watch_checks();
                self.take_plan(plan, &config);
                (self.on_config)(&config);
                for program in children::reload(&before, &children::names(&config)) {
                    self.runner.run(children::CONCERN, program);
                }
                self.apply_maintenance(now);
                self.finish_reload(&Ok(()));
            }
            Err(error) => self.finish_reload(&Err(error.to_string())),
        }
    }

    fn finish_reload(&mut self, result: &Result<(), String>) {
        self.file.loading = false;
        self.file.error = result.as_ref().err().cloned();
        self.notifier.send("READY=1");
        for reply in self.file.waiting.drain(..) {
            let _ = reply.send(result.clone());
        }
        if std::mem::take(&mut self.file.again) {
            self.reload(None);
        }
    }

    /// Looks at the configuration file and the maintenance directory.
    pub(super) fn keep_house(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        if !self.file.watching && !self.file.loading {
            self.file.watching = true;
            let known = self.file.fingerprint.clone();
            let sender = self.sender.clone();
            tokio::task::spawn_blocking(move || {
                let _ = sender.send(Event::FileChanged(known.renewed()));
            });
        }
        self.look_for_names(Instant::now());
        if let (Some(directory), false) = (
            self.core.config().globals.maintenance_directory.clone(),
            self.maintenance.reading,
        ) {
            self.maintenance.reading = true;
            let sender = self.sender.clone();
            tokio::task::spawn_blocking(move || {
                let _ = sender.send(Event::Maintenance(Files::read(directory.path.as_ref())));
            });
        }
    }

    pub(super) fn take_file_change(&mut self, fingerprint: load::Fingerprint) {
        self.file.watching = false;
        if self.file.loading || self.stopping.is_some() {
            return;
        }
        // Whoever writes the file may not have come to its end: what is there at two looks
        // counts.
        if fingerprint != self.file.fingerprint && self.file.seen.as_ref() != Some(&fingerprint) {
            self.file.seen = Some(fingerprint);
            self.housekeeping_due = Instant::now() + SETTLING;
            return;
        }
        self.file.seen = None;
        let before = std::mem::replace(&mut self.file.fingerprint, fingerprint);
        let changed = self.file.fingerprint.changed(&before);
        let changed: Vec<String> = changed.map(|path| path.display().to_string()).collect();
        let Some(path) = changed.first().cloned() else {
            return;
        };
        for path in &changed {
            tracing::info!("Configuration file '{path}' has changed on disk");
        }
        if self.core.config().globals.autoreload {
            tracing::info!(" - reread new configuration");
            self.reload(None);
        } else {
            tracing::info!(" - ignore new configuration");
        }
        if let Some(callback) = self
            .core
            .config()
            .globals
            .callback
            .clone()
            .filter(|c| !c.is_empty())
        {
            let command = Program {
                program: callback,
                arguments: vec![path],
                confined: true,
            };
            self.runner.run("callback", command);
        }
    }

    pub(super) fn take_maintenance(&mut self, files: std::io::Result<Files>, now: Instant) {
        match files {
            Ok(files) => {
                self.maintenance.complained = false;
                self.maintenance.files = files;
            }
            Err(error) => {
                // A directory that vanished takes nobody out, and nobody in by surprise:
                // what it said last stays valid.
                if !std::mem::replace(&mut self.maintenance.complained, true) {
                    tracing::warn!(%error, "the maintenance directory cannot be read");
                }
            }
        }
        if self.maintenance.files.has_names() {
            self.look_names_up();
        }
        self.apply_maintenance(now);
    }

    fn look_names_up(&mut self) {
        let config = self.core.config();
        let servers = config.services.iter().flat_map(|service| &service.reals);
        let addresses = servers.map(|real| real.destination.key.address);
        let missing = self.maintenance.names.missing(addresses);
        for address in missing {
            if self.maintenance.looking_up.insert(address) {
                let sender = self.sender.clone();
                tokio::task::spawn_blocking(move || {
                    let _ = sender.send(Event::Name(address, maintenance::look_up(address)));
                });
            }
        }
    }

    pub(super) fn apply_maintenance(&mut self, now: Instant) {
        let Maintenance { files, names, .. } = &self.maintenance;
        maintenance::apply(&mut self.core, files, names, now);
    }
}
