using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Holds the current <see cref="Life"/> of a connection, moves it on with every event, and has done what it says. Its one timer is this object itself.
/// </summary>
/// <remarks>
/// Transitions are followed one after the other, by whoever reported first, so that a step is never begun after a later one: on the
/// portable engine, and while a step is being begun, reports come in the midst of others.
/// </remarks>
internal abstract class LifeFollower : LoopTimer
{
    private readonly EventLoop _loop;

    private RelayOrders _orders;
    private int _followedStage = -1;
    private bool _following;
    private Gate _gate = new();

    protected LifeFollower(ProxyModel model, Connection client)
    {
        Model = model;
        _loop = client.Loop;
        Life = LifeModule.Start(model.Rules, _loop.Now, client.Remote, client.Local);
        model.Meter.Count(Life);
    }

    public ProxyModel Model { get; }

    public Life Life { get; private set; }

    /// <summary>Passed while the life moves on: what must agree with a stage is changed behind it.</summary>
    protected ref Gate Gate => ref _gate;

    /// <summary>Begins the step that the life is at; what it comes to is an answer to its stage.</summary>
    protected abstract void Begin(Life life);

    /// <summary>Does what the relay is to do beside going on.</summary>
    protected abstract void CarryOut(RelayOrders orders);

    /// <summary>The client was let in. Behind the gate.</summary>
    protected abstract void OnAdmitted();

    /// <summary>The attempt that a life was at has failed. Behind the gate.</summary>
    protected abstract void OnAttemptFailed(Life at, DialFault fault, bool isLast);

    /// <summary>The client left while the attempt that a life was at waited. Behind the gate.</summary>
    protected abstract void OnLeftWaiting(Life at);

    /// <summary>Something of Bitflow itself failed: it ends this connection alone.</summary>
    protected abstract void Fail(Exception e);

    protected bool IsAt(Life life) => Life.Stage == life.Stage;

    protected void Report(Event what)
    {
        Life life;
        RelayOrders orders;
        using (Gate.Pass())
        {
            MoveTo(LifeModule.Advance(Life, _loop.Now, what));
            if (!TryFollow(out life, out orders))
                return;
        }

        Follow(life, orders);
    }

    /// <summary>Reports what answers a step; too late, it changes nothing.</summary>
    protected void Answer(Life life, Event what)
    {
        Life next;
        RelayOrders orders;
        using (Gate.Pass())
        {
            MoveTo(LifeModule.Answer(Life, life.Stage, _loop.Now, what));
            if (!TryFollow(out next, out orders))
                return;
        }

        Follow(next, orders);
    }

    /// <summary>Follows what is new, where there is something.</summary>
    protected void Follow()
    {
        Life life;
        RelayOrders orders;
        using (Gate.Pass())
        {
            if (!TryFollow(out life, out orders))
                return;
        }

        Follow(life, orders);
    }

    private void MoveTo(Life next)
    {
        // Nothing happened, and the orders of this value were taken when it came.
        if (ReferenceEquals(next, Life))
            return;
        if (Model.Meter.Count(Life, next).HasFlag(Tally.AcceptSuccess))
            OnAdmitted();
        if (LifeAccount.FailureOf(Life, next) is { IsSome: true } failure)
            OnAttemptFailed(Life, failure.Value, LifeAccount.EndingFault(next).IsSome);
        else if (LifeAccount.IsLeftWaiting(Life, next))
            OnLeftWaiting(Life);

        // Orders belong to one value of the life, and are taken with it: the next report may come before they are carried out.
        _orders |= next.Orders;
        Life = next;
    }

    /// <summary>
    /// Takes what is new in the life, to be followed by the caller; false where nothing is, or where another follows and will see it. Behind the gate.
    /// </summary>
    private bool TryFollow(out Life life, out RelayOrders orders)
    {
        life = Life;
        orders = _orders;
        if (_following || (life.Stage == _followedStage && orders == RelayOrders.None))
            return false;
        _orders = RelayOrders.None;
        return _following = true;
    }

    /// <summary>Does what the life says until it says nothing new.</summary>
    private void Follow(Life life, RelayOrders orders)
    {
        while (true)
        {
            try
            {
                if (orders != RelayOrders.None && !life.IsOver)
                    CarryOut(orders);
                if (life.Stage != _followedStage)
                {
                    _followedStage = life.Stage;
                    Begin(life);
                }
            }
            catch (Exception e)
            {
                Fail(e);
            }

            using (Gate.Pass())
            {
                _following = false;
                if (!TryFollow(out life, out orders))
                    return;
            }
        }
    }
}
