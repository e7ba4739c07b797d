// What a widget of clustrix is: its model says which of the views.

import { renderForm } from "./form.js";
import { renderJobs } from "./jobs.js";

const VIEWS = { form: renderForm, jobs: renderJobs };

export default {
  render(context) {
    return VIEWS[context.model.get("shows")](context);
  },
};
