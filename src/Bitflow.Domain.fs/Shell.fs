namespace Bitflow.Domain

/// What a shell has for each step of a life; with the life come those whose event answers it. A step more is a member more: no shell is built without it.
type IShell =
    abstract Admit: life: Life -> unit
    abstract ReadProxyHeader: life: Life -> unit
    abstract ReadHello: life: Life -> unit
    abstract Handshake: life: Life -> unit
    abstract DrawTicket: life: Life -> unit
    abstract Attempt: life: Life * plan: DialPlan -> unit
    abstract Wait: life: Life -> unit
    abstract Relay: unit -> unit
    abstract End: ending: Ending -> unit

[<RequireQualifiedAccess>]
module Shell =
    /// Begins the step that a life is at.
    [<CompiledName "BeginStep">]
    let beginStep (shell: IShell) (life: Life) : unit =
        match life.Step with
        | Step.Admit -> shell.Admit life
        | Step.ReadProxyHeader -> shell.ReadProxyHeader life
        | Step.ReadHello -> shell.ReadHello life
        | Step.Handshake -> shell.Handshake life
        | Step.DrawTicket -> shell.DrawTicket life
        | Step.Attempt plan -> shell.Attempt(life, plan)
        | Step.Wait _ -> shell.Wait life
        | Step.Relay _ -> shell.Relay()
        | Step.Ended(_, ending) -> shell.End ending
